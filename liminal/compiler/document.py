"""YAML text -> Document: plain values, each of which knows where it stands.

Built from libyaml's events in one loop, without recursion, so that limits hold while reading:
PyYAML's own C loader crashes the interpreter on deep nesting, and spends seconds on a merge bomb
of 400 bytes. Scalars keep their text as written, so that ``3.10`` and ``010`` can be judged by
what the schema wants in their place.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import yaml

from liminal.compiler.nodes import Map, Place, Scalar, Seq, Value
from liminal.errors import MAX_FINDINGS, Diagnostic, error
from liminal.origin import Origin

MAX_DEPTH = 50
"""Levels of nesting; a liminal.yml written by people needs about ten."""
MAX_ALIASED_NODES = 100_000
"""Nodes that aliases may add to those which are written out."""
MAX_ALIASED_CHARACTERS = 4_000_000
"""Characters of text that aliases may repeat."""
MAX_NODES, CHARACTERS_A_NODE = 50_000, 10
"""Nodes that any file may hold, and the characters that it must have for each further one.

What people and programs write takes more; a list of ``{},`` takes a thousand times its size.
"""
MAX_DIRECTIVES = 100
"""Lines that begin with ``%``: libyaml's time grows with the square of their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML file as read.

    Attributes:
        root: the mapping at the top, or None for an empty file.
    """

    file: str
    root: Map | None


class Refused(Exception):
    """The text is not a document; carries the one finding that says why."""

    def __init__(self, finding: Diagnostic) -> None:
        super().__init__(finding.message)
        self.finding = finding


def parse(text: str, file: str) -> tuple[Document, tuple[Diagnostic, ...]]:
    """The document that the text holds, and what is wrong with it short of its syntax.

    Raises:
        Refused: the text is not YAML, holds more than one document, or goes beyond a limit.
    """
    unprintable = _UNPRINTABLE.search(text)
    if unprintable:
        raise Refused(_unprintable(text, unprintable.start(), file))
    if text.count("\n%") > MAX_DIRECTIVES:
        message = f"more than {MAX_DIRECTIVES} lines begin with %"
        raise Refused(error("yaml-syntax", message, Origin(file, 1, 1)))
    builder = _Builder(file, MAX_NODES + len(text) // CHARACTERS_A_NODE)
    loader = _LOADER(text)
    try:
        builder.take_all(loader.get_event)
    except yaml.MarkedYAMLError as problem:
        raise Refused(_syntax_error(problem, text, file)) from problem
    finally:
        loader.dispose()
    return Document(file=file, root=builder.root), tuple(builder.findings)


def plain_scalar(text: str) -> Scalar:
    """What YAML makes of an unquoted scalar: null, a boolean, a number or the text itself.

    Unlike YAML 1.1, a leading zero, a clock time and a date stay text (``010`` is not eight and
    ``12:30:00`` not 45000), and so does a number that would lose digits.
    """
    if text[:1] not in _MAY_BE_TYPED:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        number = float(text)
        return text if number in (float("inf"), float("-inf")) else number
    return text


_CORE_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset({"!", *(_CORE_TAG + kind for kind in ("str", "map", "seq"))})
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, Scalar] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **{w: True for word in ("true", "yes", "on") for w in (word, word.title(), word.upper())},
    **{w: False for word in ("false", "no", "off") for w in (word, word.title(), word.upper())},
}
_MAY_BE_TYPED = frozenset({"", *(word[0] for word in _WORDS if word), *"0123456789+-."})
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]{0,17})", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(\d{1,17}\.\d{0,17}|\.\d{1,17}|\d{1,17}(?=[eE]))([eE][-+]?\d{1,3})?", re.A
)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Frame:
    """A mapping or list that is still open."""

    __slots__ = ("anchor", "characters", "key", "key_at", "merges", "node", "size")

    def __init__(self, node: "Map | Seq", anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.size = 1
        self.characters = 0
        self.key: str | None = None
        self.key_at = (0, 0)
        self.merges: list[Map] = []


class _Anchored(NamedTuple):
    """A value that aliases may repeat, with the nodes and characters in it."""

    value: Value
    size: int
    characters: int
    text: str | None = None


class _Builder:
    """Takes one event after the other; `root` is the document once all are taken."""

    def __init__(self, file: str, max_nodes: int) -> None:
        self.file = file
        self.root: Map | None = None
        self.findings: list[Diagnostic] = []
        self._open: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}
        self._unfinished: set[str] = set()
        self._nodes_left = max_nodes
        self._aliased = 0
        self._aliased_characters = 0
        self._documents = 0
        self._take = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._start_map,
            yaml.SequenceStartEvent: self._start_seq,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._start_document,
        }

    def take_all(self, next_event: Callable[[], yaml.Event]) -> None:
        """Adds what each event says to the document, up to the last."""
        find = self._take.get
        while True:
            event = next_event()
            handle = find(event.__class__)
            if handle is not None:
                handle(event)  # type: ignore[operator]  # each takes the class that is its key
            elif event.__class__ is yaml.StreamEndEvent:
                return

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        mark: yaml.Mark = event.start_mark  # type: ignore[assignment]  # libyaml gives each one
        line, column = mark.line + 1, mark.column + 1
        raw: str = event.value
        if "\0" in raw:  # by an escape; one that is written out was refused before
            message = "a NUL character stands here"
            raise Refused(error("yaml-syntax", message, self._origin(event), "remove it"))
        frame = self._open[-1] if self._open else None
        if frame is not None and type(frame.node) is Map and frame.key is None:
            if raw == "<<" and event.implicit[0]:
                frame.key, frame.key_at = "<<", (line, column)
            else:
                self._key(frame, raw, line, column)
            if event.anchor:
                self._anchors[event.anchor] = _Anchored(raw, 1, len(raw))
            return
        if event.tag is not None:
            self._check_tag(event)
        value = plain_scalar(raw) if event.implicit[0] and event.tag is None else raw
        text = None if value.__class__ is str else raw
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value, 1, len(raw), text)
        self._add(value, line, column, text)
        if frame is not None:
            frame.size += 1
            frame.characters += len(raw)

    def _key(self, frame: _Frame, key: str, line: int, column: int) -> None:
        frame.characters += len(key)
        if key in frame.node and len(self.findings) < MAX_FINDINGS:
            first = frame.node.at_key(key)  # type: ignore[union-attr]  # only maps have keys
            self.findings.append(
                error(
                    "duplicate-key",
                    f'key "{key}" stands here a second time; the first is on line {first.line}',
                    Origin(self.file, line, column),
                    "keep one of the two",
                )
            )
        frame.key, frame.key_at = key, (line, column)

    def _start_map(self, event: yaml.MappingStartEvent) -> None:
        self._start(Map(self._origin(event)), event)

    def _start_seq(self, event: yaml.SequenceStartEvent) -> None:
        self._start(Seq(self._origin(event)), event)

    def _start(self, node: "Map | Seq", event: yaml.CollectionStartEvent) -> None:
        if event.tag is not None:
            self._check_tag(event)
        if self._open and type(self._open[-1].node) is Map and self._open[-1].key is None:
            raise Refused(
                error(
                    "bad-key",
                    "a mapping or list cannot be a key",
                    node.origin,
                    'a value that begins with "{{" must be quoted: "{{ name }}"',
                )
            )
        if len(self._open) >= MAX_DEPTH:
            raise Refused(
                error("too-deep", f"nested more than {MAX_DEPTH} levels deep", node.origin)
            )
        if event.anchor:
            self._unfinished.add(event.anchor)
        self._open.append(_Frame(node, event.anchor))

    def _end(self, event: yaml.Event) -> None:
        frame = self._open.pop()
        node = frame.node
        if frame.merges and type(node) is Map:
            node = _merged(node, frame.merges)
        if frame.anchor:
            self._unfinished.discard(frame.anchor)
            self._anchors[frame.anchor] = _Anchored(node, frame.size, frame.characters)
        self._add(node, node.origin.line, node.origin.column, None)
        if self._open:
            self._open[-1].size += frame.size
            self._open[-1].characters += frame.characters

    def _alias(self, event: yaml.AliasEvent) -> None:
        origin = self._origin(event)
        if event.anchor in self._unfinished:
            raise Refused(
                error("alias-cycle", f'alias "*{event.anchor}" stands inside itself', origin)
            )
        if event.anchor not in self._anchors:
            raise Refused(error("yaml-syntax", f'no anchor "&{event.anchor}" above', origin))
        value, size, characters, text = self._anchors[event.anchor]
        self._count_alias(size, characters, origin)
        frame = self._open[-1] if self._open else None
        if frame is not None and type(frame.node) is Map and frame.key is None:
            if not isinstance(value, str):
                raise Refused(error("bad-key", "an alias used as a key must be a string", origin))
            self._key(frame, value, origin.line, origin.column)
            return
        self._add(value, origin.line, origin.column, text)
        if frame is not None:
            frame.size += size
            frame.characters += characters

    def _count_alias(self, size: int, characters: int, origin: Origin) -> None:
        self._aliased += size
        self._aliased_characters += characters
        for count, limit, what in (
            (self._aliased, MAX_ALIASED_NODES, "values"),
            (self._aliased_characters, MAX_ALIASED_CHARACTERS, "characters"),
        ):
            if count > limit:
                message = f"aliases expand to more than {limit:,} {what}"
                raise Refused(error("too-many-aliases", message, origin))

    def _start_document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            raise Refused(
                error(
                    "many-documents",
                    "a second YAML document begins here",
                    self._origin(event),
                    "one liminal.yml holds one document; put the other into a file of its own",
                )
            )

    def _add(self, value: Value, line: int, column: int, text: str | None) -> None:
        self._nodes_left -= 1
        if self._nodes_left < 0:
            message = "the file holds more values than any liminal.yml of its length needs"
            raise Refused(error("too-many-values", message, Origin(self.file, line, column)))
        if not self._open:
            self._set_root(value, Origin(self.file, line, column))
            return
        frame = self._open[-1]
        node = frame.node
        if type(node) is Seq:
            node.put(value, Place(self.file, line, column, line, column, text))
            return
        key, (key_line, key_column) = frame.key, frame.key_at
        frame.key = None
        if key == "<<":
            self._merge(frame, value, Origin(self.file, line, column))
        elif key is not None and key not in node and type(node) is Map:
            node.put(key, value, Place(self.file, key_line, key_column, line, column, text))

    def _merge(self, frame: _Frame, value: Value, origin: Origin) -> None:
        parts = list(value) if isinstance(value, Seq) else [value]
        if not all(isinstance(part, Map) for part in parts):
            self.findings.append(
                error("bad-merge", 'the merge key "<<" takes a mapping or a list of them', origin)
            )
        frame.merges += [part for part in parts if isinstance(part, Map)]

    def _set_root(self, value: Value, origin: Origin) -> None:
        if isinstance(value, Map):
            self.root = value
        elif value is not None:
            kind = "a list" if isinstance(value, Seq) else "a single value"
            self.findings.append(
                error(
                    "not-a-mapping",
                    f"the file holds {kind}, not a mapping of keys",
                    origin,
                    'a liminal.yml begins with "name: NAME"',
                )
            )

    def _check_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag in _PLAIN_TAGS or len(self.findings) >= MAX_FINDINGS:
            return
        self.findings.append(
            error(
                "yaml-tag",
                f'the tag "{(event.tag or "").replace(_CORE_TAG, "!!")}" is refused: '
                "a liminal.yml holds plain data only",
                self._origin(event),
            )
        )

    def _origin(self, event: yaml.Event) -> Origin:
        mark: yaml.Mark = event.start_mark  # type: ignore[assignment]  # libyaml gives each one
        return Origin(self.file, mark.line + 1, mark.column + 1)


def _merged(node: Map, merges: list[Map]) -> Map:
    """The mapping with what ``<<`` brings: its own keys win, then the earlier mapping's."""
    additions = Map(node.origin)
    for part in merges:
        for key, value in part.items():
            if key not in node and key not in additions:
                additions.put(key, value, part.places[key])
    return additions.with_entries((key, value, node.places[key]) for key, value in node.items())


def _unprintable(text: str, index: int, file: str) -> Diagnostic:
    line = text.count("\n", 0, index) + 1
    column = index - text.rfind("\n", 0, index)
    what = (
        "a NUL byte" if text[index] == "\0" else f"the control character U+{ord(text[index]):04X}"
    )
    return error("yaml-syntax", f"{what} stands here", Origin(file, line, column), "remove it")


def _syntax_error(problem: yaml.MarkedYAMLError, text: str, file: str) -> Diagnostic:
    mark = problem.problem_mark or problem.context_mark
    if mark is None:
        return error("yaml-syntax", f"not YAML: {problem.problem}", Origin(file, 1, 1))
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    origin = Origin(file, mark.line + 1, mark.column + 1)
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent or line[mark.column : mark.column + 1] == "\t":
        message = "a tab stands here; YAML is indented with spaces"
        return error("yaml-syntax", message, origin, "replace each tab with spaces")
    context = f" {problem.context}" if problem.context else ""
    return error("yaml-syntax", f"not YAML: {problem.problem}{context}", origin, _quote_hint(line))


def _quote_hint(line: str) -> str | None:
    value = re.sub(r"^\s*(- +)*", "", line)
    if ": " in value:
        value = value.partition(": ")[2]
    value = value.strip()
    if value[:1] in ("*", "@", "`", "%", "&", "!") or value.startswith("{{"):
        return f"quote it: '{value}'" if "'" not in value else f'quote it: "{value}"'
    return None
