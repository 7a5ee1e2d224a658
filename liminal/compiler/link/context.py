"""What linking one application gathers: the names defined so far, and the findings."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from liminal.compiler.link.crons import Crons
from liminal.compiler.nodes import Map, Seq
from liminal.errors import Diagnostic, error, warning
from liminal.model import Executor, Image, MetricsBackend, Secret, Text, Volume
from liminal.origin import Origin
from liminal.plugins import Plugins
from liminal.suggest import nearest


@dataclass(slots=True)
class Context:
    """The names that a later section may refer to, by what they name.

    Attributes:
        crons: shared by all applications of a compilation, which often have the same schedules.
        sources: image -> the folder of its source, of those images whose source can be read.
    """

    plugins: Plugins
    folder_of: Callable[[str], str]
    environ_names: frozenset[str]
    crons: Crons = field(default_factory=Crons)
    variables: Mapping[str, Text] = field(default_factory=dict)
    variable_maps: Map = field(default_factory=lambda: Map(Origin("", 1, 1)))
    executors: Mapping[str, Executor] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    images: Mapping[str, Image] = field(default_factory=dict)
    sources: dict[str, Path] = field(default_factory=dict)
    metrics: tuple[MetricsBackend, ...] = ()
    findings: list[Diagnostic] = field(default_factory=list)

    def error(self, code: str, message: str, origin: Origin, hint: str | None = None) -> None:
        """Adds an error."""
        self.findings.append(error(code, message, origin, hint))

    def warning(self, code: str, message: str, origin: Origin, hint: str | None = None) -> None:
        """Adds a warning."""
        self.findings.append(warning(code, message, origin, hint))

    def unknown(self, kind: str, name: str, known: Collection[str], origin: Origin) -> None:
        """Adds an error about a name that nothing defines."""
        names = sorted(known)
        meant = nearest(name, names)
        question = f'; did you mean "{meant}"?' if meant else ""
        hint = None if meant or not names else f"known: {', '.join(names)}"
        self.error(f"unknown-{kind}", f'no {kind} is named "{name}"{question}', origin, hint)

    def unique(self, entries: Seq, name_key: str) -> Iterator[Map]:
        """The entries of a list, each name once; a second one of a name is a finding."""
        first: dict[str, Map] = {}
        for entry in entries.mappings():
            name = entry.text(name_key)
            if name is None:
                continue
            if name in first:
                self.error(
                    f"duplicate-{name_key.replace('_', '-')}",
                    f'a second {name_key.replace("_", " ")} is named "{name}"; '
                    f"the first is at {first[name].at(name_key)}",
                    entry.at(name_key),
                    "rename one of the two",
                )
                continue
            first[name] = entry
            yield entry
