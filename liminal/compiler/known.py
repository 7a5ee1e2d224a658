"""Which applications are known to be sound: a cache of verdicts, never of values.

An application that was compiled without a finding need not be compiled again to say so, as long as
nothing changed that its compilation looked at: its file, its parents', the environment variables
that their placeholders name, the files that references led to, and Liminal with its plug-ins. A
verdict is kept under a hash of all that, so a stale one is never found; the cache may be deleted at
any time. Whatever is not plainly sound goes the whole way through the compiler.
"""

import hashlib
import importlib.metadata
import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import liminal
from liminal.compiler import Compilation, compile_layout, source
from liminal.compiler.document import Refused, parse
from liminal.compiler.link import Linked
from liminal.compiler.witness import state
from liminal.errors import Diagnostic
from liminal.files import write_atomic
from liminal.plugins import Plugins

_GROUPS = ("tasks", "executors", "images", "engines", "metrics", "alerts")
"""The kinds of plug-ins that a compilation asks."""
_JUDGES = ("croniter", "jsonschema-rs", "PyYAML")
"""The distributions whose own reading of a file makes it sound or not."""

WORTH_IT = 20
"""Files from which on keeping verdicts is faster than compiling, and worth a folder on the disk."""

_NAME = re.compile(r"\{\{\s*([A-Za-z_][\w.-]*)")
_MAYBE_SUPER = re.compile(r"super(?![\"']?\s*:)|\\")
"""A text without it cannot say ``type: super``, which spares parsing it to know."""
_OF_THE_WHOLE = frozenset({"duplicate-layer", "unknown-super", "not-a-super", "super-cycle"})
"""Findings that depend on layers which a partial compilation leaves out."""

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What validation says.

    Attributes:
        applications: how many there are.
    """

    findings: tuple[Diagnostic, ...]
    applications: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What can be said of a file by its content alone.

    Attributes:
        digest: of the content, and of the path by which findings would call it.
        variables: the names that placeholders in it may look up in the environment; None where
            escapes may hide some.
    """

    digest: str
    is_super: bool
    variables: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """An application was sound.

    Attributes:
        claims: what it is called, and its DAGs, services and images: two applications may not say
            different things of one name.
        witnesses: the files and folders that were consulted -> their state then.
    """

    claims: Mapping[str, str]
    witnesses: Mapping[str, list[Any]]


def check_path(path: str, environ: Mapping[str, str], plugins: Plugins, folder: Path) -> Checked:
    """The findings of everything under the path, compiling only what is not known to be sound.

    Args:
        path: a folder or a liminal.yml, as the user typed it.
        environ: the environment: its variables win over those of a layer.
        plugins: the types that are installed.
        folder: where verdicts are kept.

    Raises:
        UsageError: there is no layer under the path.
    """
    layout = source.find(path, environ)
    if len(layout.files) < WORTH_IT:
        compilation = compile_layout(layout, environ, plugins)
        return Checked(findings=compilation.findings, applications=len(compilation.linked))
    cache = _Cache(layout, folder)
    keys = cache.keys(environ, plugins)
    known = {file: verdict for file, key in keys.items() if (verdict := cache.verdict(key))}
    part = cache.without(known)
    compilation = compile_layout(part, environ, plugins)
    claims = [verdict.claims for verdict in known.values()]
    claims += [_claims(one) for one in compilation.linked]
    whole = any(found.code in _OF_THE_WHOLE for found in compilation.findings) or _clash(claims)
    if whole and known:
        known = {}
        compilation = compile_layout(layout, environ, plugins)
    cache.keep(keys, known, compilation)
    return Checked(findings=compilation.findings, applications=len(known) + len(compilation.linked))


class _Cache:
    """The verdicts about one folder of layers; forgets whatever is no longer asked for."""

    def __init__(self, layout: source.Layout, folder: Path) -> None:
        self._layout = layout
        root = hashlib.sha256(os.path.abspath(layout.root).encode()).hexdigest()[:16]
        self._file = folder / f"{root}.json"
        stored = _read(self._file)
        self._verdicts: Mapping[str, Any] = stored.get("verdicts", {})
        remembered: Mapping[str, Any] = stored.get("layers", {})
        files = dict.fromkeys((*layout.files, *layout.supers))
        self._states = {file: state(file) for file in files}
        self._layers = {file: _layer(file, remembered) for file in files}

    def keys(self, environ: Mapping[str, str], plugins: Plugins) -> dict[str, str]:
        """Each application's file -> the hash of all that its compilation reads."""
        supers = [layer for layer in self._layers.values() if layer and layer.is_super]
        shared = hashlib.sha256(_fingerprint(plugins).encode())
        for digest in sorted(layer.digest for layer in supers):
            shared.update(digest.encode())
        keys = {}
        for file in self._layout.files:
            layer = self._layers[file]
            if layer is None or layer.is_super:
                continue
            key = shared.copy()
            key.update(layer.digest.encode())
            key.update(_environment([layer, *supers], environ).encode())
            keys[file] = key.hexdigest()
        return keys

    def verdict(self, key: str) -> Verdict | None:
        """The verdict under the key, if nothing that was consulted changed since."""
        stored = self._verdicts.get(key)
        if stored is None:
            return None
        claims, witnesses = stored
        if any(state(path) != before for path, before in witnesses.items()):
            return None
        return Verdict(claims=claims, witnesses=witnesses)

    def without(self, known: Mapping[str, Verdict]) -> source.Layout:
        """What is left to compile; super layers are always there, to be inherited from."""
        files = tuple(file for file in self._layout.files if file not in known)
        return source.Layout(
            root=self._layout.root,
            files=files,
            supers=self._layout.supers,
            findings=self._layout.findings,
        )

    def keep(
        self, keys: Mapping[str, str], known: Mapping[str, Verdict], compilation: Compilation
    ) -> None:
        """Writes down who is sound; where that cannot be written, the next one takes longer."""
        blamed = {found.origin.file for found in compilation.findings}
        blamed |= {found.origin.via.file for found in compilation.findings if found.origin.via}
        verdicts = {
            keys[file]: [verdict.claims, verdict.witnesses] for file, verdict in known.items()
        }
        fresh = {}
        for one in compilation.linked:
            file = one.app.origin.file
            if file in keys and file not in blamed and not one.findings:
                states = {str(path): before for path, before in sorted(one.consulted.items())}
                fresh[file] = [_claims(one), states]
        verdicts |= self._still_true(keys, fresh)
        layers = {
            layer.digest: [layer.is_super, layer.variables]
            for layer in self._layers.values()
            if layer
        }
        if verdicts == self._verdicts:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            content = json.dumps({"verdicts": verdicts, "layers": layers}, separators=(",", ":"))
            write_atomic(self._file, content.encode())
        except OSError as problem:
            _LOGGER.info("verdicts are not kept: %s", problem)

    def _still_true(
        self, keys: Mapping[str, str], fresh: Mapping[str, list[Any]]
    ) -> dict[str, list[Any]]:
        """Those verdicts of which every file is still the one that the key and they speak of.

        A file may be replaced between the reading for its key and that for compiling.
        """
        if not fresh:
            return {}
        shared = [file for file, layer in self._layers.items() if layer is None or layer.is_super]
        if not all(self._is_unchanged(file) for file in shared):
            return {}
        return {
            keys[file]: verdict
            for file, verdict in fresh.items()
            if self._is_unchanged(file)
            and all(state(path) == before for path, before in verdict[1].items())
        }

    def _is_unchanged(self, file: str) -> bool:
        layer, now = self._layers[file], _layer(file, {})
        same = layer is None if now is None else layer is not None and layer.digest == now.digest
        return same and state(file) == self._states[file]


def _layer(file: str, remembered: Mapping[str, Any]) -> Layer | None:
    """What the file's content says; None where it cannot be read, which compiling will tell."""
    try:
        data = Path(file).read_bytes()
    except OSError:
        return None
    digest = hashlib.sha256(f"{file}\0{os.path.abspath(file)}\0".encode() + data).hexdigest()
    if digest in remembered:
        is_super, variables = remembered[digest]
        names = None if variables is None else tuple(variables)
        return Layer(digest=digest, is_super=is_super, variables=names)
    try:
        text = source.read(file)
        root = parse(text, file)[0].root if _MAYBE_SUPER.search(text) else None
    except Refused:
        return None
    return Layer(
        digest=digest,
        is_super=root is not None and root.string("type") == "super",
        variables=None if "\\" in text else tuple(sorted(set(_NAME.findall(text)))),
    )


def _environment(layers: Iterable[Layer], environ: Mapping[str, str]) -> str:
    """The part of the environment that the layers can see."""
    names: set[str] = set()
    for layer in layers:
        names.update(environ if layer.variables is None else layer.variables)
    return json.dumps({name: environ[name] for name in sorted(names) if name in environ})


def _fingerprint(plugins: Plugins) -> str:
    """Liminal, Python and the types that are installed, by the state of their files."""
    package = Path(liminal.__file__).parent
    files = [*package.glob("*.py"), *(package / "compiler").rglob("*.*")]
    modules = {
        type(type_).__module__
        for group in _GROUPS
        for _, type_ in plugins.loadable(f"liminal.{group}")
    }
    files += [
        Path(found)
        for name in modules
        if (found := getattr(sys.modules.get(name), "__file__", None))
    ]
    states = {str(file): state(str(file)) for file in sorted(files) if file.suffix != ".pyc"}
    judges = [importlib.metadata.version(name) for name in _JUDGES]
    return json.dumps([liminal.__version__, sys.version, judges, states])


def _claims(linked: Linked) -> dict[str, str]:
    app = linked.app
    return {
        f"layer {app.name}": app.origin.file,
        **{f"pipeline {pipeline.name}": app.name for pipeline in app.pipelines},
        **{f"service {service.name}": app.name for service in app.services},
        **{f"image {image.name}": f"{image.folder}\0{image.source}" for image in app.images},
    }


def _clash(claims: Iterable[Mapping[str, str]]) -> bool:
    """Whether two applications say different things of one name."""
    first: dict[str, str] = {}
    return any(
        first.setdefault(name, value) != value for one in claims for name, value in one.items()
    )


def _read(file: Path) -> Mapping[str, Any]:
    """What is kept there; nothing where there is no such file, or it is damaged."""
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
