"""Compiled pipelines <-> JSON: exact both ways, the same bytes for the same plan, fast to read.

A dataclass is an object whose key ``is`` names its class; a field that has its default is left out.
Lists are tuples. A mapping of the user's stays an object, in its own order, unless it has a key
``is`` itself.
"""

import dataclasses
import enum
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from liminal.model import (
    AssetSchedule,
    Comparison,
    Condition,
    Deferred,
    MetricsBackend,
    Placeholder,
    Resources,
    TriggerRule,
)
from liminal.origin import Origin, Super
from liminal.plan.dag import ContainerPlan, MountPlan, PipelinePlan, SecretPlan, TaskPlan
from liminal.steps import CallOperator, ReportMetrics, RunCommand

FORMAT = 1
"""Of the file; a reader refuses one that is newer than itself."""

_IS = "is"
_MAPPING = "mapping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the user wrote something, and what.

    Attributes:
        origin: with a file that is relative to the folder of the application.
        text: as YAML.
    """

    origin: Origin
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPipeline:
    """What Airflow needs of a pipeline: all that it does, and what a reader wants to see of it.

    Attributes:
        source: the pipeline as it stands in the file.
        tasks: name -> the task with everything that it inherits.
        operators: type of an executor -> the dotted path of the operator that runs its tasks;
            here, so that no parse looks for plug-ins.
        picture: its graph, in Mermaid's words.
    """

    plan: PipelinePlan
    source: Source
    tasks: Mapping[str, Source] = field(default_factory=dict)
    operators: Mapping[str, str] = field(default_factory=dict)
    picture: str = ""


_CLASSES: Mapping[str, Any] = {
    one.__name__: one
    for one in (
        *(CompiledPipeline, Source, Origin, Super),
        *(PipelinePlan, TaskPlan, ContainerPlan, MountPlan, SecretPlan, Resources),
        *(Condition, AssetSchedule, MetricsBackend, Deferred, Placeholder),
        *(RunCommand, ReportMetrics, CallOperator, TriggerRule, Comparison),
    )
}


class UnreadablePlan(ValueError):
    """The text is nothing that this version of Liminal can read; says why."""


def as_json(compiled: CompiledPipeline) -> str:
    """Text that `from_json` makes the same of."""
    content = {"format": FORMAT, "pipeline": _encoded(compiled)}
    return json.dumps(content, indent=1) + "\n"


def from_json(text: str | bytes) -> CompiledPipeline:
    """The pipeline that the text was made of.

    Raises:
        UnreadablePlan: it is damaged, or a newer Liminal wrote it.
    """
    try:
        content = json.loads(text, object_hook=_decoded)
        version, compiled = content["format"], content["pipeline"]
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        check_format(_format(text), "the plan")
        raise UnreadablePlan(f"the plan is damaged: {problem!r}") from problem
    check_format(version, "the plan")
    if not isinstance(compiled, CompiledPipeline):
        raise UnreadablePlan("the plan is damaged: it holds no pipeline")
    return compiled


def encoded(value: object) -> Any:
    """A plan, or a part of one, as what JSON knows."""
    return _encoded(value)


def decoded(text: str | bytes) -> Any:
    """The same again.

    Raises:
        ValueError, TypeError, KeyError: it is not that.
    """
    return json.loads(text, object_hook=_decoded)


def check_format(version: object, what: str) -> None:
    """Refuse what a newer Liminal wrote: it may mean something else by the same words.

    Raises:
        UnreadablePlan: says which formats these are.
    """
    if isinstance(version, int) and version > FORMAT:
        raise UnreadablePlan(
            f"{what} has the format {version} of a newer Liminal, and this one knows {FORMAT}: "
            "update Liminal on this machine, or deploy again with the version that it has"
        )


def _format(text: str | bytes) -> object:
    try:
        return json.loads(text)["format"]
    except (ValueError, TypeError, KeyError):
        return None


def _encoded(value: object) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, enum.Enum):
        return {_IS: type(value).__name__, "value": value.value}
    if isinstance(value, Mapping):
        entries = {str(key): _encoded(item) for key, item in value.items()}
        return {_IS: _MAPPING, "entries": list(entries.items())} if _IS in entries else entries
    if isinstance(value, Origin | Super) or dataclasses.is_dataclass(value):
        kind: Any = type(value)
        said = {
            name: _encoded(item)
            for name, default in _fields(kind).items()
            if (item := getattr(value, name)) != default
        }
        return {_IS: kind.__name__, **said}
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    raise TypeError(value)  # a plug-in put something into a plan that is no plain data


_NEEDED = object()


@functools.cache
def _fields(kind: Any) -> Mapping[str, object]:
    """Field -> its default, or something that nothing equals."""
    if not dataclasses.is_dataclass(kind):
        return {name: kind._field_defaults.get(name, _NEEDED) for name in kind._fields}
    return {
        one.name: one.default_factory()
        if one.default_factory is not dataclasses.MISSING
        else (_NEEDED if one.default is dataclasses.MISSING else one.default)
        for one in dataclasses.fields(kind)
    }


def _decoded(entries: dict[str, Any]) -> Any:
    """The object as what it was; called for the innermost first."""
    for key, value in entries.items():
        if type(value) is list:
            entries[key] = _tuple(value)
    kind = entries.pop(_IS, None)
    if kind is None:
        return entries
    if kind == _MAPPING:
        return dict(entries["entries"])
    made = _CLASSES[kind]
    return made(**entries)


def _tuple(items: list[Any]) -> tuple[Any, ...]:
    return tuple([_tuple(item) if type(item) is list else item for item in items])
