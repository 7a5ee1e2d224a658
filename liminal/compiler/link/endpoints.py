"""Endpoints, and whether the source defines their functions. Sources are read, never imported."""

import ast
from pathlib import Path

from liminal.compiler.link.context import Context
from liminal.compiler.nodes import Map
from liminal.model import Batch, Endpoint
from liminal.suggest import nearest

_DEFAULT_METHODS = ("GET", "POST")

OWN_PATHS = ("/docs", "/healthz", "/metrics", "/openapi.json", "/readyz")
"""The paths that a service has by itself, as `liminal.serving.own_paths` adds them."""


def endpoints(entry: Map, source: Path | None, context: Context) -> tuple[Endpoint, ...]:
    """The entry's endpoints, checked against the source where there is one."""
    found = []
    paths: dict[str, Map] = {}
    names = _Names()
    for endpoint in entry.sequence("endpoints").mappings():
        path = endpoint.string("endpoint") or ""
        if path in paths:
            context.error(
                "duplicate-endpoint",
                f'a second endpoint is at "{path}"; the first is at {paths[path].at("endpoint")}',
                endpoint.at("endpoint"),
            )
            continue
        paths[path] = endpoint
        if path in OWN_PATHS:
            message = f'the endpoint "{path}" takes the place of the service\'s own'
            hint = f"the service's own: {', '.join(OWN_PATHS)}"
            context.warning("own-path", message, endpoint.at("endpoint"), hint)
        if source is not None and not context.full:
            _check(endpoint, source, names, context)
        found.append(_endpoint(endpoint))
    return tuple(found)


def _endpoint(endpoint: Map) -> Endpoint:
    methods = tuple(method for method, _ in endpoint.sequence("methods").texts())
    batch = endpoint.mapping("batch")
    return Endpoint(
        path=endpoint.string("endpoint") or "",
        module=endpoint.string("module") or "",
        function=endpoint.string("function") or "",
        methods=methods or _DEFAULT_METHODS,
        batch=Batch(
            max_size=batch.integer("max_size") or 32,
            max_wait_ms=5 if (wait := batch.number("max_wait_ms")) is None else wait,
        )
        if batch
        else None,
        origin=endpoint.origin,
    )


class _Names:
    """The names that each module of a source defines, read once a module."""

    def __init__(self) -> None:
        self._by_file: dict[Path, frozenset[str] | SyntaxError | None] = {}

    def of(self, file: Path) -> frozenset[str] | SyntaxError | None:
        """The names at the top level; None when a star import hides some."""
        if file not in self._by_file:
            try:
                self._by_file[file] = _top_level_names(ast.parse(file.read_bytes(), str(file)))
            except SyntaxError as problem:
                self._by_file[file] = problem
            except (ValueError, RecursionError, MemoryError) as problem:
                # A NUL byte, before Python 3.12, and what is nested too deep for the parser.
                self._by_file[file] = SyntaxError(str(problem) or "nested too deep")
            except OSError as problem:
                self._by_file[file] = SyntaxError(f"cannot be read: {problem.strerror}")
        return self._by_file[file]


def _check(endpoint: Map, source: Path, names: _Names, context: Context) -> None:
    module, function = endpoint.string("module") or "", endpoint.string("function") or ""
    file = _module_file(source, module, context)
    if file is None:
        known = sorted(path.stem for path in source.glob("*.py"))
        meant = nearest(module, known)
        context.error(
            "unknown-module",
            f'the source "{source.name}" has no module "{module}"'
            + (f'; did you mean "{meant}"?' if meant else ""),
            endpoint.at("module"),
            None if meant else f"expected the file {module.replace('.', '/')}.py in it",
        )
        return
    defined = names.of(file)
    if isinstance(defined, SyntaxError):
        where = f" in line {defined.lineno}" if defined.lineno else ""
        message = f'"{file.name}" is not Python: {defined.msg}{where}'
        context.error("broken-module", message, endpoint.at("module"))
    elif defined is not None and function not in defined:
        meant = nearest(function, sorted(defined))
        context.error(
            "unknown-function",
            f'the module "{module}" has no function "{function}"'
            + (f'; did you mean "{meant}"?' if meant else ""),
            endpoint.at("function"),
            None if meant else f"define it in {file.name}",
        )


def _module_file(source: Path, module: str, context: Context) -> Path | None:
    """The file that Python would import: a package goes before a module of the same name."""
    path = source.joinpath(*module.split("."))
    candidates = (path / "__init__.py", path.with_name(path.name + ".py"))
    for candidate in candidates:
        context.consult(candidate)
    for candidate in candidates:
        try:
            if candidate.is_file():
                return candidate
        except OSError:  # a name too long for the file system, before Python 3.14
            continue
    return None


def _top_level_names(tree: ast.Module) -> frozenset[str] | None:
    """Every name that the module binds, also inside top-level ifs, loops, tries and withs."""
    names: set[str] = set()
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.ImportFrom(names=[ast.alias(name="*")]):
                return None
            case ast.Import() | ast.ImportFrom():
                names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case _:
                waiting += ast.iter_child_nodes(node)
    return frozenset(names)
