"""The projects that ``liminal init`` begins with: the examples, as the package carries them."""

import re
import shutil
from pathlib import Path

from liminal.errors import UsageError
from liminal.files import remove_tree
from liminal.suggest import nearest

SCHEMA_NAME = ".liminal.schema.json"
"""The file beside a liminal.yml from which an editor knows its keys, without a network."""

MODELINE = f"# yaml-language-server: $schema={SCHEMA_NAME}\n"
"""Source: github.com/redhat-developer/yaml-language-server, README, "Using inlined schema"."""

_TITLE = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*")
"""What can name a layer, an image and a DAG alike."""

_LEFT_OUT = shutil.ignore_patterns("__pycache__", "models", ".*_cache")


def copy_template(name: str, folder: Path, schema: str) -> tuple[Path, ...]:
    """Writes the template into the folder, and gives the files that it wrote.

    Args:
        name: the template's.
        folder: a new or empty one.
        schema: the JSON Schema of a liminal.yml, for editors.

    Raises:
        UsageError: there is no such template, or the folder holds something already.
    """
    source = _find(name)
    if _TITLE.fullmatch(folder.absolute().name) is None:
        raise UsageError(
            f'"{folder.name}" cannot be the name of a project',
            hint="use lower-case letters, digits, _ and -",
        )
    outer = folder.absolute().parent / "liminal.yml"
    if outer.exists():
        raise UsageError(
            f'"{folder}" would be inside the project of {outer}', hint="go to another folder first"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f'"{folder}" exists and is not empty; nothing was written',
            hint="name a new folder: liminal init NAME",
        )
    # Made beside its place and then moved there: all of it, or nothing.
    unfinished = folder.absolute().with_name(f".{folder.absolute().name}.unfinished")
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(source, unfinished, ignore=_LEFT_OUT)
        _rename(unfinished / "liminal.yml", name, folder.absolute().name)
        _add_schema(unfinished, schema)
        _move(unfinished, folder)
    except OSError as problem:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise UsageError(f'"{folder}" cannot be written: {problem.strerror}') from problem
    return tuple(sorted(path for path in folder.rglob("*") if path.is_file()))


def _move(finished: Path, folder: Path) -> None:
    """Moves the folder to its place; if that is there, which a shell may be in, what it holds."""
    if not folder.exists():
        finished.rename(folder)
        return
    moved = []
    try:
        # The liminal.yml last, for that makes it a project.
        for path in sorted(finished.iterdir(), key=lambda path: path.name == "liminal.yml"):
            moved.append(path.rename(folder / path.name))
    except OSError:
        for path in moved:
            remove_tree(path)
        raise
    finished.rmdir()


def _rename(file: Path, template: str, name: str) -> None:
    """Calls the layer, its image, pipelines and services by the project's name, not the template's.

    Two projects under one path, or on one server, must not share them.
    """
    text = file.read_text("utf-8")
    named = rf"(?m)^(\s*(?:- )?(?:name|image|pipeline|service): ){re.escape(template)}(?=[_\s]|$)"
    file.write_text(re.sub(named, lambda found: found[1] + name, text), "utf-8")


def _add_schema(folder: Path, schema: str) -> None:
    """Puts the schema beside the liminal.yml, and the line that leads an editor to it on top."""
    (folder / SCHEMA_NAME).write_text(schema, "utf-8")
    file = folder / "liminal.yml"
    file.write_text(MODELINE + file.read_text("utf-8"), "utf-8")


def _find(name: str) -> Path:
    known = {path.parent.name: path.parent for path in _folder().glob("*/liminal.yml")}
    if name in known:
        return known[name]
    meant = nearest(name, sorted(known))
    question = f'; did you mean "{meant}"?' if meant else ""
    raise UsageError(
        f'no template is named "{name}"{question}', hint=f"known: {', '.join(sorted(known))}"
    )


def _folder() -> Path:
    """This one in an installed package; in a checkout, the examples themselves."""
    here = Path(__file__).parent
    return here if any(here.glob("*/liminal.yml")) else here.parent.parent / "examples"
