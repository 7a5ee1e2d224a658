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


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSpec:
    """One Airflow operator, as data that needs no Airflow.

    Attributes:
        task: its id.
        operator: the dotted path of its class.
        arguments: of the class alone.
        common: arguments that every operator takes; those that are times are in minutes.
        copies: how many there are of it, as one mapped task; the class takes the number of each as
            `copy`. None for a task that is not mapped.
        upstream: the ids of the tasks directly before it.
        phase: ``setup`` and ``teardown`` for what encloses the others.
    """

    task: str
    operator: str
    arguments: Mapping[str, Setting]
    common: Mapping[str, Setting]
    copies: int | None
    upstream: tuple[str, ...]
    phase: Literal["setup", "teardown"] | None


Step: TypeAlias = RunCommand | ReportMetrics | CallOperator
