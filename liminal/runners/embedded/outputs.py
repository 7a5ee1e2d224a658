"""What tasks hand on to later ones: KEY=VALUE lines, and where a run keeps them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from liminal.plan.dag import TaskPlan
from liminal.runners import OUTPUT_LIMIT
from liminal.runners.records import read_record, write_record


class BadOutputs(Exception):
    """The file in LIMINAL_OUTPUT is not what the task declares; says why."""


def parse_outputs(content: bytes, declared: Sequence[str]) -> Mapping[str, str]:
    """The declared outputs; where a name stands twice, the last.

    Raises:
        BadOutputs: one is missing, a line is not KEY=VALUE, or it is too much.
    """
    if len(content) > OUTPUT_LIMIT:
        raise BadOutputs(f"wrote more than {OUTPUT_LIMIT // 1024} KiB of outputs")
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise BadOutputs("wrote outputs that are not UTF-8") from error
    found = {}
    for number, line in enumerate(lines, start=1):
        line = line.removesuffix("\r")
        name, equals, value = line.partition("=")
        if not line.strip():
            continue
        if not equals or not name.strip() or "\0" in line:
            raise BadOutputs(f"wrote no KEY=VALUE in line {number} of its outputs")
        found[name.strip()] = value
    missing = [name for name in declared if name not in found]
    if missing:
        names = ", ".join(f'"{name}"' for name in missing)
        raise BadOutputs(f"did not write its output {names} to the file in $LIMINAL_OUTPUT")
    return {name: found[name] for name in declared}


def as_values(task: TaskPlan, copies: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """``TASK.KEY`` -> value; of a task with several copies, a JSON list in their order."""
    if len(task.copies) == 1:
        return {f"{task.name}.{key}": value for key, value in copies[0].items()}
    return {
        f"{task.name}.{key}": json.dumps([copy[key] for copy in copies if key in copy])
        for key in task.outputs
    }


def output_names(tasks: Iterable[TaskPlan]) -> Iterator[str]:
    """``TASK.KEY`` of all that these tasks declare."""
    return (f"{task.name}.{key}" for task in tasks for key in task.outputs)


def store_outputs(run: Path, task: str, values: Mapping[str, str]) -> None:
    """Keep the outputs of a task in the run's folder; whole or not at all.

    Raises:
        OSError: they cannot be written.
    """
    file = _file(run, task)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    write_record(file, values)


def read_outputs(run: Path, task: str) -> Mapping[str, str] | None:
    """The outputs of a task in that run; None when it has none there."""
    return read_record(_file(run, task)) or None


def _file(run: Path, task: str) -> Path:
    return run / "outputs" / f"{task}.json"
