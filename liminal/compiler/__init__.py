"""YAML text -> App. Knows no Airflow, Docker or Kubernetes."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from liminal.collector import collector_paused
from liminal.compiler import defaults, inherit, source, variables
from liminal.compiler.document import Document, Refused, parse
from liminal.compiler.legacy import modernize
from liminal.compiler.link import Linked, link
from liminal.compiler.link.clashes import clashes
from liminal.compiler.link.crons import Crons
from liminal.compiler.link.tasks import TASK_DEFAULT_KEYS
from liminal.compiler.merge import joined
from liminal.compiler.nodes import Map
from liminal.compiler.schema import Checker, compose
from liminal.errors import ConfigurationError, Diagnostic, Severity, has_errors, in_order, note
from liminal.model import App
from liminal.origin import Origin
from liminal.plugins import Plugins


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """Every stage of a compilation; a layer that a stage refuses is missing from the later ones.

    Attributes:
        documents: each file as read.
        resolved: each application with its parents, defaults and variables in place.
        linked: each application with what was found about it, whether sound or not.
        apps: each application; empty unless all of them are free of errors.
        findings: of all stages, by file and line.
    """

    documents: tuple[Document, ...]
    resolved: tuple[Map, ...]
    linked: tuple[Linked, ...]
    apps: tuple[App, ...]
    findings: tuple[Diagnostic, ...]

    def required_apps(self) -> tuple[App, ...]:
        """The applications.

        Raises:
            ConfigurationError: there are errors among the findings.
        """
        if has_errors(self.findings):
            raise ConfigurationError(self.findings)
        return self.apps


def compile_path(path: str, environ: Mapping[str, str], plugins: Plugins) -> Compilation:
    """All applications under the path, as far as they can be compiled.

    Args:
        path: a folder or a liminal.yml, as the user typed it.
        environ: the environment: its variables win over those of a layer.
        plugins: the types that are installed.

    Raises:
        UsageError: there is no layer under the path.
    """
    return compile_layout(source.find(path, environ), environ, plugins)


def compile_layout(
    layout: source.Layout, environ: Mapping[str, str], plugins: Plugins
) -> Compilation:
    """The same for layers that were found already."""
    with collector_paused():
        return _compiled(layout, environ, plugins)


def _compiled(layout: source.Layout, environ: Mapping[str, str], plugins: Plugins) -> Compilation:
    checker = Checker(compose(plugins))
    files = (*layout.files, *layout.supers)
    documents, findings = _read(files, checker)
    findings += layout.findings
    roots = [
        modernize(document.root)
        for document in documents
        if document.root is not None and document.root.string("name")
    ]
    resolved, more = inherit.resolve(roots, base_layer())
    if _some_layer_is_unread(files, documents, findings):
        # The parent that is missed may be in the file that could not be read; that was told.
        more = tuple(found for found in more if found.code != "unknown-super")
    findings += more
    wanted = frozenset(layout.files)
    complete, linked, crons = [], [], Crons()
    for layer in resolved:
        if layer.origin.file not in wanted:
            continue
        try:
            filled = defaults.apply(layer, TASK_DEFAULT_KEYS)
        except Refused as refused:
            findings.append(refused.finding)
            continue
        known, unresolved = variables.substitute(filled, environ)
        one = link(known, plugins, _folder_of, frozenset(environ), crons)
        complete.append(known)
        linked.append(one)
        findings += unresolved
        findings += _recheck(known, checker, findings) if known is not filled else []
        findings += _news(one.findings, findings)
    apps = [one.app for one in linked]
    findings += clashes(apps)
    ordered = in_order(findings)
    return Compilation(
        documents=tuple(documents),
        resolved=tuple(complete),
        linked=tuple(linked),
        apps=() if has_errors(ordered) else tuple(sorted(apps, key=lambda app: app.name)),
        findings=ordered,
    )


def _some_layer_is_unread(
    files: Sequence[str], documents: Sequence[Document], findings: Iterable[Diagnostic]
) -> bool:
    """Whether one of the files is no document, or has no name."""
    wrong = {found.origin.file for found in findings if found.severity is Severity.ERROR}
    nameless = (one.root is None or not one.root.string("name") for one in documents)
    return len(documents) < len(files) or any(
        without and one.file in wrong for without, one in zip(nameless, documents, strict=True)
    )


def base_layer() -> Map:
    """The built-in layer from which every application inherits."""
    text = Path(__file__).with_name("base.yml").read_text(encoding="utf-8")
    document, _ = parse(text, "base layer")
    return document.root or Map(Origin("base layer", 1, 1))


def _read(files: tuple[str, ...], checker: Checker) -> tuple[list[Document], list[Diagnostic]]:
    """The documents that can be read, and what is wrong with the shape of each."""
    documents: list[Document] = []
    findings: list[Diagnostic] = []
    for file in files:
        try:
            document, found = parse(source.read(file), file)
        except Refused as refused:
            findings.append(refused.finding)
            continue
        if document.root is None:
            if not found:
                found = (
                    note("empty-file", "the file is empty, and is skipped", Origin(file, 1, 1)),
                )
        else:
            found += tuple(_news(checker.check(document.root), found))
        findings += found
        documents.append(document)
    return documents, findings


def _news(later: Iterable[Diagnostic], earlier: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The later findings, without those at a place where something is known to be wrong.

    Linking goes on in spite of errors, so that all of them are told at once; what it makes of a
    value that has the wrong shape is no news.
    """
    places = {found.origin[:3] for found in earlier if found.severity is Severity.ERROR}
    return [found for found in later if found.origin[:3] not in places]


def _recheck(layer: Map, checker: Checker, earlier: Iterable[Diagnostic]) -> list[Diagnostic]:
    """What variables put where the schema does not allow it, told once for a shared default."""
    if "pipelines" in layer:
        flat = layer.sequence("pipelines").each(_with_one_list_of_tasks)
        layer = layer.with_entries([("pipelines", flat, layer.places["pipelines"])])
    told = {(found.origin[:3], found.code) for found in earlier}
    once: dict[tuple[object, ...], Diagnostic] = {}
    for found in _news(checker.check(layer), earlier):
        if (found.origin[:3], found.code) not in told:
            once.setdefault((found.origin[:3], found.code), found)
    return list(once.values())


def _with_one_list_of_tasks(pipeline: Map) -> Map:
    """The pipeline with the tasks around its own among them, as the schema knows it."""
    if "tasks" not in pipeline:
        return pipeline
    before, own, after = (pipeline.sequence(key) for key in defaults.TASK_LISTS)
    tasks = joined(joined(before, own), after)
    around = pipeline.without("before_tasks", "after_tasks")
    return around.with_entries([("tasks", tasks, pipeline.places["tasks"])])


def _folder_of(file: str) -> str:
    return os.path.dirname(os.path.abspath(file))
