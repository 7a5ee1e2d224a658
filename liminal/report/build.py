"""What happens in a build -> lines for people, and JSON for machines."""

import json
from collections.abc import Iterable
from typing import Any

from liminal.images.build import Result
from liminal.images.engines import BuiltImage
from liminal.images.events import (
    BuildEvent,
    Failed,
    Finished,
    Note,
    Output,
    Skipped,
    Started,
    Step,
    Waiting,
    Warning,
)
from liminal.report.terminal import printable


def line(event: BuildEvent, *, colour: bool = False) -> str:
    """The event in a line that begins with the image's name.

    Args:
        event: what happened.
        colour: whether the colours that a step writes stay.
    """
    match event:
        case Started():
            text = "building"
        case Step(name=name):
            text = name
        case Output(line=written):
            text = f"  {written}"
        case Waiting(pid=pid, host=host):
            who = f"process {pid} on {host}" if pid else "another build"
            text = f"waiting for {who}, which builds the same"
        case Note(message=message):
            text = f"note: {message}"
        case Warning(message=message, hint=hint):
            text = f"warning: {message}" + (f" (hint: {hint})" if hint else "")
        case Skipped(reason=reason):
            text = f"up to date: {reason}"
        case Finished(seconds=seconds, reference=reference):
            text = f"built in {seconds:.1f} s" + (f" as {reference}" if reference else "")
        case Failed():
            text = "failed"
    return printable(f"{event.image} | {text}", colour=colour)


def as_json(results: Iterable[Result[BuiltImage]]) -> str:
    """A list of objects: image, hash, reference, digest, rebuilt, error."""
    return json.dumps([_plain(result) for result in results], indent=2)


def _plain(result: Result[BuiltImage]) -> dict[str, Any]:
    built, error = result.built, result.error
    return {
        "image": result.image.image.name,
        "hash": built.hash if built else None,
        "reference": built.reference if built else None,
        "digest": built.digest if built else None,
        "rebuilt": built.rebuilt if built else None,
        "error": error.message if error else None,
    }
