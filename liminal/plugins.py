"""The entry points through which every type comes in, the built-in ones like anybody's.

A type is one class in one file, found under its name in one of these groups; `pyproject.toml` lists
the built-in ones. Nothing is imported before its first use.
"""

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias, cast

from liminal.model import Setting, Task
from liminal.steps import Step

Schema: TypeAlias = Mapping[str, Any]
"""A JSON Schema, draft 2020-12."""

GROUPS = (
    "liminal.tasks",
    "liminal.executors",
    "liminal.images",
    "liminal.engines",
    "liminal.metrics",
    "liminal.alerts",
    "liminal.runners",
)


class TaskType(Protocol):
    """One file in `liminal/tasks`; `liminal.compiler.link.keys` says what it may have besides.

    Attributes:
        properties: the type's own keys, as the properties of a JSON Schema.
        required: those of its keys that a task must have once defaults are merged in.
        container: whether it runs in an image, and so takes `image`, `mounts`, `secrets`, …
    """

    properties: ClassVar[Mapping[str, Schema]]
    required: ClassVar[tuple[str, ...]]
    container: ClassVar[bool]

    def step(self, task: Task) -> Step:
        """What the task does."""
        ...


class ExecutorType(Protocol):
    """One file in `liminal/executors`; `liminal.compiler.link.keys` says what it may have besides.

    Attributes:
        properties: the type's own keys, as the properties of a JSON Schema.
        steps: the kinds of step that it can run.
    """

    properties: ClassVar[Mapping[str, Schema]]
    steps: ClassVar[tuple[type[Step], ...]]


class SettingsType(Protocol):
    """A type of which the compiler needs the keys only: images and alerts backends.

    Attributes:
        properties: the type's own keys, as the properties of a JSON Schema.
    """

    properties: ClassVar[Mapping[str, Schema]]


class MetricsType(Protocol):
    """One file in `liminal/metrics`.

    Attributes:
        properties: the type's own keys, as the properties of a JSON Schema.
        required: those of its keys that a backend must have.
    """

    properties: ClassVar[Mapping[str, Schema]]
    required: ClassVar[tuple[str, ...]]

    def report(
        self,
        name: str,
        value: float,
        dimensions: Mapping[str, str],
        settings: Mapping[str, Setting],
    ) -> None:
        """Sends one measurement.

        Raises:
            OSError: the backend did not take it; the caller logs that and goes on.
        """
        ...


class PluginError(Exception):
    """A type could not be loaded; it disables only itself."""


class UnknownType(PluginError):
    """No plug-in has that name.

    Attributes:
        known: the names in the group, sorted.
    """

    def __init__(self, group: str, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f'{group} has no type "{name}"')
        self.known = known


@dataclass(frozen=True, slots=True)
class Plugins:
    """The types that are installed, by group and name.

    Attributes:
        entries: group -> name -> what loads it.
    """

    entries: Mapping[str, Mapping[str, Callable[[], Any]]]
    _loaded: dict[tuple[str, str], Any] = field(default_factory=dict)

    def names(self, group: str) -> tuple[str, ...]:
        """The types of the group, sorted."""
        return tuple(sorted(self.entries.get(group, {})))

    def task(self, name: str) -> TaskType:
        """The task type of that name."""
        return cast(TaskType, self.load("liminal.tasks", name))

    def executor(self, name: str) -> ExecutorType:
        """The executor type of that name."""
        return cast(ExecutorType, self.load("liminal.executors", name))

    def metrics(self, name: str) -> MetricsType:
        """The metrics backend of that name."""
        return cast(MetricsType, self.load("liminal.metrics", name))

    def loadable(self, group: str) -> Iterator[tuple[str, Any]]:
        """Each type of the group that loads, with its name."""
        for name in self.names(group):
            try:
                yield name, self.load(group, name)
            except PluginError:
                continue

    def load(self, group: str, name: str) -> Any:
        """An instance of the type.

        Raises:
            UnknownType: nothing has that name.
            PluginError: its code does not import.
        """
        if (group, name) in self._loaded:
            return self._loaded[group, name]
        loader = self.entries.get(group, {}).get(name)
        if loader is None:
            raise UnknownType(group, name, self.names(group))
        try:
            loaded = loader()()
        except Exception as problem:  # whatever a plug-in's code does must not stop the others
            raise PluginError(
                f'the plug-in "{name}" of {group} does not load: '
                f"{type(problem).__name__}: {problem}"
            ) from problem
        self._loaded[group, name] = loaded
        return loaded


def discover() -> Plugins:
    """The plug-ins of the installed packages; of two with one name, the first in order."""
    entries: dict[str, dict[str, Callable[[], Any]]] = {}
    found = importlib.metadata.entry_points()
    for group in GROUPS:
        for entry in sorted(found.select(group=group), key=lambda e: (e.name, e.value)):
            entries.setdefault(group, {}).setdefault(entry.name, entry.load)
    return Plugins(entries)
