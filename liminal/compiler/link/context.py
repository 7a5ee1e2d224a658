"""What linking one application gathers: the names defined so far, and the findings."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from liminal.compiler.link.crons import Crons
from liminal.compiler.nodes import Map, Seq
from liminal.compiler.witness import state
from liminal.errors import MAX_FINDINGS, Diagnostic, error, warning
from liminal.model import Executor, Image, MetricsBackend, Secret, Task, Text, Volume
from liminal.origin import Origin
from liminal.plugins import Plugins
from liminal.suggest import listed, nearest

_MANY = 1000


@dataclass(slots=True)
class Context:
    """The names that a later section may refer to, by what they name.

    Attributes:
        crons: shared by all applications of a compilation, which often have the same schedules.
        copies: parallel copies of all tasks so far.
        tasks: identity of an entry, and whether it always runs -> the entry, and its task.
        meant_images: an image that nothing here builds -> the one that it is a misspelling of.
        zones: unknown time zone -> the nearest that there is.
        consulted: the files and folders that the findings depend on, beside the layers -> the
            state of each before it was read.
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
    meant_images: dict[str, str | None] = field(default_factory=dict)
    consulted: dict[Path, list[str | int]] = field(default_factory=dict)
    sources: dict[str, Path] = field(default_factory=dict)
    zones: dict[str, str | None] = field(default_factory=dict)
    metrics: tuple[MetricsBackend, ...] = ()
    copies: int = 0
    tasks: dict[tuple[int, bool], tuple[Map, Task | None]] = field(default_factory=dict)
    findings: list[Diagnostic] = field(default_factory=list)
    _sorted: tuple[Collection[str], list[str]] = ((), [])

    @property
    def is_full(self) -> bool:
        """Whether no further finding is taken, so that none need be looked for."""
        return len(self.findings) >= MAX_FINDINGS

    @property
    def full(self) -> bool:
        """Whether further findings are dropped, and so need no thought."""
        return len(self.findings) >= MAX_FINDINGS

    def consult(self, path: Path) -> None:
        """Notes the state of a file or folder, which is about to be read."""
        if path not in self.consulted:
            self.consulted[path] = state(str(path))

    def error(self, code: str, message: str, origin: Origin, hint: str | None = None) -> None:
        """Adds an error."""
        if not self.full:
            self.findings.append(error(code, message, origin, hint))

    def warning(self, code: str, message: str, origin: Origin, hint: str | None = None) -> None:
        """Adds a warning."""
        if not self.full:
            self.findings.append(warning(code, message, origin, hint))

    def unknown(
        self,
        kind: str,
        name: str,
        known: Collection[str],
        origin: Origin,
        *,
        besides: str = "",
        words: str | None = None,
    ) -> None:
        """Adds an error about a name that nothing defines.

        Args:
            kind: what the name should name, as in the finding's code.
            name: what the user wrote.
            known: the names that are defined.
            origin: where the name stands.
            besides: one of the known names that makes no sense there.
            words: what the name should name, where the code is not the user's word for it.
        """
        if self.full:
            return
        names = self.in_order(known)
        if besides in known and len(names) < _MANY:
            names = [other for other in names if other != besides]
        meant = nearest(name, names)
        question = f'; did you mean "{meant}"?' if meant else ""
        hint = None if meant else listed(names)
        message = f'no {words or kind.replace("-", " ")} is named "{name}"{question}'
        self.error(f"unknown-{kind}", message, origin, hint)

    def in_order(self, names: Collection[str]) -> list[str]:
        """The names sorted; once only for a collection that is asked for again and again."""
        if self._sorted[0] is not names or len(self._sorted[1]) != len(names):
            self._sorted = (names, sorted(names))
        return self._sorted[1]

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
