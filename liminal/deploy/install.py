"""Releases -> a DAGs folder that has them, whatever happens meanwhile.

Everything that a release needs is written beside what counts; then one rename makes it count. What
comes before the rename changes nothing for Airflow, and what comes after can be done by whoever comes
next, which `_settle` does: so a deployment that is killed leaves the old or the new, and the next one
cleans up.
"""  # noqa: E501 - see above

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from liminal.deploy.layout import (
    CURRENT,
    IGNORE,
    LOCK,
    MARKER,
    RELEASES,
    UNFINISHED,
    VERSIONS,
    AppFolder,
    Current,
    Newer,
    Unreadable,
    app_folders,
    as_record,
    releases_now,
    version_file,
    version_of,
)
from liminal.deploy.loader import loader
from liminal.deploy.release import Release
from liminal.errors import ServerError, UsageError
from liminal.files import remove_tree, sync_folder, write_atomic
from liminal.lock import Holder, hold
from liminal.suggest import nearest

KEPT = 10
"""So many releases of an application stay, the current one among them,"""

KEPT_SECONDS = 30 * 24 * 60 * 60
"""and those that counted, or that a run was pinned to, within that time."""

_FILE, _FOLDER = 0o666, 0o777  # less the umask: another user's Airflow may have to read them

Kind: TypeAlias = Literal["new", "changed", "unchanged", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of a pipeline's DAG."""

    app: str
    pipeline: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """An application in a DAGs folder.

    Attributes:
        release: the hash of the one that counts.
        earlier: the hashes of those that a rollback may go to, newest first.
    """

    app: str
    release: str
    earlier: tuple[str, ...]
    pipelines: tuple[str, ...]


def deploy(
    dags: Path,
    releases: Sequence[Release],
    *,
    clean: bool = False,
    dry_run: bool = False,
    waiting: Callable[[Holder], None] | None = None,
) -> tuple[Change, ...]:
    """Puts the releases into the folder, and says what becomes of each DAG.

    Args:
        dags: the folder; made when missing.
        releases: one an application.
        clean: whether all other applications in the folder go.
        dry_run: only say.
        waiting: called once when another deployment is at work, with who that is.

    Raises:
        UsageError: a DAG is another application's, or something else is in our place.
        ServerError: the folder cannot be written to or read; the old or the new counts.
    """
    if dry_run:
        with _explained(dags):
            return _changes(dags, releases, clean)
    with _changing(dags, waiting):
        changes = _changes(dags, releases, clean)
        for one in releases:
            folder = AppFolder(dags / one.app)
            if one.plans:
                _install(folder, one)
            elif folder.is_ours():  # the application has services only, by now
                _remove(folder)
        if clean:  # last, so that a DAG which changes hands is never missing
            for folder in _others(dags, releases):
                _remove(folder)
        _settle(dags)
        return changes


def rollback(
    dags: Path, app: str, to: str | None, *, waiting: Callable[[Holder], None] | None = None
) -> tuple[str, tuple[Change, ...]]:
    """Makes an earlier release count, and says which and what becomes of each DAG.

    Args:
        dags: the folder.
        app: the application.
        to: the first digits of the release's hash; None for the one before.
        waiting: see `deploy`.

    Raises:
        UsageError: there is no such application or release, or a DAG is another application's.
        ServerError: the folder cannot be written to or read.
    """
    if not app_folders(dags):
        raise UsageError(f'nothing is deployed in "{dags}"')
    with _changing(dags, waiting):
        folder = _find(dags, app)
        current = folder.current()
        earlier = _earlier(folder, current)
        wanted = _chosen(app, earlier, to)
        hashes = folder.pipelines(wanted)
        before = folder.pipelines(current.release) if current else {}
        _refuse_foreign(dags, app, hashes, ())
        _switch(folder, current, wanted)
        _settle(dags)
        return wanted, tuple(_differences(app, before, hashes))


def delete(
    dags: Path, apps: Collection[str], *, waiting: Callable[[Holder], None] | None = None
) -> tuple[Change, ...]:
    """Removes the applications from the folder, with all their releases.

    Raises:
        ServerError: the folder cannot be written to or read.
    """
    if not app_folders(dags):
        return ()
    with _changing(dags, waiting):
        changes: list[Change] = []
        for folder in app_folders(dags):
            if folder.name in apps:
                changes += _differences(folder.name, _current_hashes(folder), {})
                _remove(folder)
        return tuple(changes)


def deployed(dags: Path) -> tuple[Deployed, ...]:
    """The applications in the folder, by name.

    Raises:
        ServerError: it cannot be read.
    """
    with _explained(dags):
        return tuple(
            Deployed(
                app=folder.name,
                release=current.release,
                earlier=_earlier(folder, current),
                pipelines=tuple(sorted(folder.pipelines(current.release))),
            )
            for folder in app_folders(dags)
            if (current := folder.current()) is not None
        )


@contextmanager
def _changing(dags: Path, waiting: Callable[[Holder], None] | None) -> Iterator[None]:
    """The folder for us alone, without what a killed deployment left in it."""
    with _explained(dags):
        dags.mkdir(parents=True, exist_ok=True)
        with hold(dags / LOCK, waiting=waiting):
            _settle(dags)
            yield


@contextmanager
def _explained(dags: Path) -> Iterator[None]:
    try:
        yield
    except Unreadable as problem:
        raise ServerError(str(problem)) from problem
    except OSError as error:
        place = error.filename or dags
        raise ServerError(
            f'the DAGs folder "{dags}" cannot be changed: "{place}": {error.strerror or error}',
            hint="what was deployed before still is, unless all of the new was written",
        ) from error


def _changes(dags: Path, releases: Sequence[Release], clean: bool) -> tuple[Change, ...]:
    leaving = _others(dags, releases) if clean else ()
    changes = [
        change
        for folder in leaving
        for change in _differences(folder.name, _current_hashes(folder), {})
    ]
    for one in releases:
        folder = AppFolder(dags / one.app)
        if not folder.is_ours() and not folder.is_free():
            raise UsageError(
                f'"{folder.path}" is there already, and Liminal has not made it',
                hint="move it, or rename the application",
            )
        _refuse_foreign(dags, one.app, one.hashes, [folder.name for folder in leaving])
        changes += _differences(one.app, _current_hashes(folder), one.hashes)
    return tuple(sorted(changes, key=lambda change: (change.app, change.pipeline)))


def _others(dags: Path, releases: Iterable[Release]) -> tuple[AppFolder, ...]:
    ours = {one.app for one in releases}
    return tuple(folder for folder in app_folders(dags) if folder.name not in ours)


def _refuse_foreign(
    dags: Path, app: str, pipelines: Collection[str], leaving: Collection[str]
) -> None:
    """Airflow lets two files take a DAG from each other at every parse, without an error."""
    taken = [
        f'the DAG "{pipeline}" of the application "{app}" is already deployed by '
        f'the application "{folder.name}"'
        for folder in app_folders(dags)
        if folder.name != app and folder.name not in leaving
        for pipeline in sorted(set(pipelines) & set(_current_hashes(folder)))
    ]
    if taken:
        raise UsageError(
            "\n".join(taken),
            hint="rename one of the two pipelines, or take the other application away with "
            '"liminal delete NAME"; nothing was changed',
        )


def _current_hashes(folder: AppFolder) -> Mapping[str, str]:
    """Pipeline -> the hash of its plan; empty where the release is damaged: it is none then.

    Raises:
        Newer: it is another Liminal's, and we must not guess.
    """
    try:
        current = folder.current()
        return folder.pipelines(current.release) if current is not None else {}
    except Newer:
        raise
    except Unreadable:
        return {}


def _current(folder: AppFolder) -> Current | None:
    """The same of the release itself."""
    try:
        return folder.current()
    except Newer:
        raise
    except Unreadable:
        return None


def _differences(app: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for pipeline in sorted({*before, *after}):
        kind: Kind = "unchanged" if before.get(pipeline) == after.get(pipeline) else "changed"
        if pipeline not in before:
            kind = "new"
        if pipeline not in after:
            kind = "removed"
        yield Change(app=app, pipeline=pipeline, kind=kind)


def _find(dags: Path, app: str) -> AppFolder:
    known = {folder.name: folder for folder in app_folders(dags)}
    if app in known:
        return known[app]
    near = nearest(app, sorted(known))
    raise UsageError(
        f'no application named "{app}" is deployed in "{dags}"'
        + (f'; did you mean "{near}"?' if near else ""),
        hint=None if near else f"known: {', '.join(sorted(known))}",
    )


def _earlier(folder: AppFolder, current: Current | None) -> tuple[str, ...]:
    """The releases before the current one that are still there, newest first."""
    known = current.earlier if current is not None else ()
    return tuple(one for one in known if (folder.releases / one / "release.json").is_file())


def _chosen(app: str, earlier: Sequence[str], to: str | None) -> str:
    if not earlier:
        raise UsageError(f'the application "{app}" has no earlier release')
    if to is None:
        return earlier[0]
    meant = [one for one in earlier if one.startswith(to)] if to else []
    if len(meant) != 1:
        which = "several earlier releases begin" if meant else "no earlier release begins"
        raise UsageError(f'{which} with "{to}"', hint=f"known: {', '.join(earlier)}")
    return meant[0]


def _install(folder: AppFolder, new: Release) -> None:
    _make_folder(folder.path)
    _write(folder.path / MARKER, as_record({"app": new.app}))
    _write(folder.path / IGNORE, f"{RELEASES}/\n".encode())
    _make_folder(folder.releases)
    _write_release(folder, new)
    _switch(folder, _current(folder), new.hash)


def _write_release(folder: AppFolder, new: Release) -> None:
    """All of the release under its hash, or nothing."""
    files = {Path("release.json"): new.manifest()}
    files |= {Path("pipelines", f"{name}.json"): plan for name, plan in new.plans.items()}
    whole = folder.releases / new.hash
    if all(_has(whole / name, content) for name, content in files.items()):
        return
    unfinished = folder.releases / f"{UNFINISHED}{new.hash}"
    remove_tree(unfinished)
    unfinished.mkdir(_FOLDER)
    (unfinished / "pipelines").mkdir(_FOLDER)
    for name, content in files.items():
        descriptor = os.open(unfinished / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    sync_folder(unfinished / "pipelines")
    sync_folder(unfinished)
    _discard(whole)  # damaged, if it is there at all
    unfinished.rename(whole)
    sync_folder(folder.releases)


def _switch(folder: AppFolder, current: Current | None, release: str) -> None:
    """Makes the release count, by one rename: all of its DAGs are there at once."""
    before = _current_hashes(folder)
    for pipeline, plan_hash in folder.pipelines(release).items():
        if pipeline not in before:  # then its loader makes no DAG yet
            _write(folder.loader(pipeline), loader(folder.name, pipeline, plan_hash))
    earlier: tuple[str, ...] = ()
    if current is not None:
        earlier = tuple(one for one in (current.release, *current.earlier) if one != release)
    os.utime(folder.releases / release)  # when it last counted, for `_prune`
    dags = folder.path.parent
    _record_version(dags, {**releases_now(dags), folder.name: release})
    record = as_record({"app": folder.name, "release": release, "earlier": list(earlier)})
    _write(folder.path / CURRENT, record)


def _record_version(dags: Path, coming: Mapping[str, str]) -> None:
    """Puts on record what is about to count.

    Our bundle pins a run to the version that it began on, and another machine, which never saw that
    version count, has to find its releases. Those of now count until the rename after this.
    """
    _make_folder(dags / VERSIONS)
    now = releases_now(dags)
    last = version_file(dags, version_of(now))
    if now != coming and last.exists():
        os.utime(last)  # when it last counted, for `_prune_versions`
    if coming:
        record = as_record({"releases": dict(sorted(coming.items()))})
        _write(version_file(dags, version_of(coming)), record)


def _prune_versions(dags: Path) -> None:
    """Removes records that are too old, and what a killed deployment left beside them."""
    last = version_file(dags, version_of(releases_now(dags)))
    for path in _files(dags / VERSIONS) if (dags / VERSIONS).is_dir() else ():
        old = path != last and time.time() - path.stat().st_mtime > KEPT_SECONDS
        if old or path.suffix == ".tmp":
            path.unlink(missing_ok=True)


def _settle(dags: Path) -> None:
    """Brings everything around the current releases into line with them, and removes the rest."""
    for folder in app_folders(dags):
        if not (folder.path / CURRENT).exists():
            _remove(folder)
            continue
        current = _current(folder)
        hashes = _current_hashes(folder)
        if current is None or not hashes:
            continue  # damaged: its next deployment makes it whole
        for pipeline, plan_hash in hashes.items():
            _write(folder.loader(pipeline), loader(folder.name, pipeline, plan_hash))
        for path in _files(folder.path):
            stale = path.suffix == ".py" and path.stem not in hashes
            if stale or (path.name.startswith(".") and path.suffix == ".tmp"):
                path.unlink(missing_ok=True)
        _prune(folder, current)
    _prune_versions(dags)


def _files(folder: Path) -> list[Path]:
    """The files in the folder itself; Python may have put its folder `__pycache__` beside them."""
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if not entry.is_dir(follow_symlinks=False)]


def _prune(folder: AppFolder, current: Current) -> None:
    """Removes what a killed deployment left, and releases that are too many and too old."""
    kept = {current.release, *current.earlier[: KEPT - 1]}
    for path in list(folder.releases.iterdir()):
        if path.name.startswith(UNFINISHED):
            remove_tree(path)
        elif path.name not in kept and time.time() - path.stat().st_mtime > KEPT_SECONDS:
            _discard(path)


def _discard(path: Path) -> None:
    """Removes a release: away with its name first, for half a release must not be found."""
    if not os.path.lexists(path):
        return
    unfinished = path.with_name(f"{UNFINISHED}gone-{path.name}")
    remove_tree(unfinished)
    path.rename(unfinished)
    remove_tree(unfinished)


def _remove(folder: AppFolder) -> None:
    """Removes an application; without `current.json` its loaders make no DAG."""
    dags = folder.path.parent
    staying = {app: one for app, one in releases_now(dags).items() if app != folder.name}
    _record_version(dags, staying)
    (folder.path / CURRENT).unlink(missing_ok=True)
    sync_folder(folder.path)
    with os.scandir(folder.path) as entries:
        rest = [Path(entry.path) for entry in entries if entry.name != MARKER]
    for path in sorted(rest):
        remove_tree(path)
    remove_tree(folder.path)


def _make_folder(path: Path) -> None:
    if not path.is_dir():
        path.mkdir(_FOLDER, parents=True, exist_ok=True)
        sync_folder(path.parent)


def _write(path: Path, content: bytes) -> None:
    """Makes the file have that content; a file that has it is not touched."""
    if not _has(path, content):
        write_atomic(path, content, mode=_FILE)


def _has(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False
