"""What a task does, as data: the few kinds of step that task types are made of.

A task type (`liminal/tasks`) makes a step of a task, an executor (`liminal/executors`) says which
kinds it can run, and a runner (`liminal/runners`) runs them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from liminal.model import Setting, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCommand:
    """Run a command in the task's image.

    Attributes:
        command: for ``/bin/sh -c``.
    """

    command: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMetrics:
    """Report that the run begins, or how it ended, to the pipeline's metrics backends."""

    moment: Literal["start", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOperator:
    """Run an Airflow operator.

    Attributes:
        operator: its dotted path.
        arguments: as the operator takes them.
    """

    operator: str
    arguments: Mapping[str, Setting]


Step: TypeAlias = RunCommand | ReportMetrics | CallOperator
