"""What is deployed, and what a deployment changes -> lines for people, and data for machines."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from liminal.deploy.install import Change, Deployed, Kind

_SIGNS: dict[Kind, tuple[str, str | None]] = {
    "new": ("+", "green"),
    "changed": ("~", "yellow"),
    "unchanged": (" ", None),
    "removed": ("-", "red"),
}


def changes(found: Iterable[Change], *, colour: bool) -> Iterator[str]:
    """A line an application, and one below it for each DAG."""
    ordered = sorted(found, key=lambda change: (change.app, change.pipeline))
    for app, its_own in groupby(ordered, key=lambda change: change.app):
        yield app
        for change in its_own:
            sign, ink = _SIGNS[change.kind]
            line = f"  {sign} {change.pipeline} ({change.kind})"
            yield click.style(line, fg=ink) if colour and ink else line


def summary(found: Sequence[Change], folder: Path, dry_run: bool) -> str:
    """How many DAGs become what, and where."""
    counts = [
        f"{count} {kind}"
        for kind in _SIGNS
        if (count := sum(change.kind == kind for change in found))
    ]
    words = ", ".join(counts) or "no pipelines"
    return f'would deploy to "{folder}": {words}' if dry_run else f'deployed to "{folder}": {words}'


def changes_data(found: Iterable[Change]) -> list[dict[str, Any]]:
    """Objects: app, pipeline, change."""
    return [
        {"app": change.app, "pipeline": change.pipeline, "change": change.kind} for change in found
    ]


def deployed(found: Iterable[Deployed]) -> Iterator[str]:
    """A line an application, and one below it for each DAG."""
    for one in found:
        earlier = f" (before: {', '.join(one.earlier)})" if one.earlier else ""
        yield f"{one.app} {one.release}{earlier}"
        yield from (f"  {pipeline}" for pipeline in one.pipelines)


def deployed_data(found: Iterable[Deployed]) -> list[dict[str, Any]]:
    """Objects: app, release, earlier, pipelines."""
    return [
        {
            "app": one.app,
            "release": one.release,
            "earlier": list(one.earlier),
            "pipelines": list(one.pipelines),
        }
        for one in found
    ]
