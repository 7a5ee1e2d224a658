"""What a killed run left behind, ended and removed: each runner knows its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from liminal.files import remove_tree
from liminal.plugins import PluginError, Plugins
from liminal.runners import Abandoned, LauncherType, Machine, Recovered
from liminal.runners.embedded.folder import RECORD, abandoned, attempts, remove_work
from liminal.runners.records import ATTEMPT_RECORD, read_record, write_record


async def recover(machine: Machine, plugins: Plugins) -> tuple[str, ...]:
    """Clean up after every run whose command is dead.

    Returns:
        What was found, in words.
    """
    with abandoned(machine.home) as runs:
        return tuple([words for run in runs for words in await _recover(run, machine, plugins)])


async def _recover(run: Path, machine: Machine, plugins: Plugins) -> list[str]:
    record = read_record(run / RECORD)
    # A run that ended by itself but could not remove all is not one that was killed.
    killed = record.get("state", "running") == "running"
    what = record.get("service", f"run {run.name} of pipeline {run.parent.name}")
    told = [f"{what} was killed"] if killed else []
    for runner, folders in _by_runner(run).items():
        left = await _ask(runner, run, tuple(folders.values()), machine, plugins)
        told += [f"{words} of {'it' if killed else what}" for words in left.done]
        told += [f"what {what} left could not be removed: {words}" for words in left.left]
        if not left.left:
            told += _remove(list(folders), what)
    try:
        if killed:
            write_record(run / RECORD, {**record, "state": "killed"})
        if remove_work(run):
            (run / "lock").unlink(missing_ok=True)
    except OSError as error:
        return [*told, f"what {what} left could not be removed: {error}"]
    return told


def _by_runner(run: Path) -> Mapping[str, Mapping[Path, Mapping[str, Any]]]:
    """Runner -> folder of an attempt -> its record."""
    found: dict[str, dict[Path, Mapping[str, Any]]] = {}
    for folder in attempts(run):
        record = read_record(folder / ATTEMPT_RECORD)
        # A damaged record tells nothing; `local` finds its processes without, too.
        found.setdefault(str(record.get("runner", "local")), {})[folder] = record
    return found


async def _ask(
    runner: str,
    run: Path,
    records: tuple[Mapping[str, Any], ...],
    machine: Machine,
    plugins: Plugins,
) -> Recovered:
    try:
        kind = cast(LauncherType, plugins.load("liminal.runners", runner))
    except PluginError as problem:
        return Recovered(left=(str(problem),))
    return await kind.recover(Abandoned(run=run, records=records), machine)


def _remove(folders: list[Path], what: str) -> list[str]:
    told = []
    for folder in folders:
        try:
            remove_tree(folder)
        except OSError as error:
            told.append(f"what {what} left could not be removed: {error}")
    return told
