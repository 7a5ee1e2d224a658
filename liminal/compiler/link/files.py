"""Files that a task's own keys name: beside its liminal.yml, or in the source of its image."""

from pathlib import Path

from liminal.compiler.link.context import Context
from liminal.compiler.nodes import Map
from liminal.suggest import nearest


def check_file(entry: Map, key: str, context: Context) -> None:
    """Adds an error where the file is missing, or not in the folder of the file that names it."""
    written = entry.string(key)
    if written is None or "{{" in written:
        return
    origin = entry.at(key)
    folder = Path(context.folder_of(origin.file))
    if written.startswith(("/", "~")):
        message = f'{key} "{written}" is not relative to this file'
        context.error("file-outside", message, origin, "keep it beside its liminal.yml")
        return
    context.consult(Path(folder, written))
    try:
        real, home = Path(folder, written).resolve(strict=True), folder.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # a loop of links, before 3.13; a NUL
        question, hint = _near(Path(folder, written))
        message = f'{key} "{written}" does not exist{question}'
        context.error("file-missing", message, origin, hint)
        return
    if home not in real.parents:
        message = f'{key} "{written}" leaves the folder of this file'
        context.error("file-outside", message, origin, "keep it beside its liminal.yml")
    elif not real.is_file():
        context.error("file-missing", f'{key} "{written}" is not a file', origin)


def check_source_file(entry: Map, key: str, context: Context) -> None:
    """Adds a warning where the source of the task's image has no such file.

    Only a warning: `build_cmd` may make it, and so may a mount.
    """
    written, source = entry.string(key), context.sources.get(entry.string("image") or "")
    if written is None or source is None or "{{" in written or "://" in written:
        return
    mounted = [mount.string("path") or "" for mount in entry.sequence("mounts").mappings()]
    if written.startswith(("/", "~", *(f"{path.rstrip('/')}/" for path in mounted))):
        return
    context.consult(Path(source, written))
    try:
        missing = not Path(source, written).exists()
    except (OSError, ValueError):
        missing = True
    if missing:
        question, hint = _near(Path(source, written))
        message = f'the source "{source.name}" has no "{written}"{question}'
        context.warning("file-missing", message, entry.at(key), hint)


def _near(path: Path) -> tuple[str, str | None]:
    """The question after a message about a missing file, or else a hint."""
    try:
        names = sorted(one.name for one in path.parent.iterdir() if one.is_file())
    except (OSError, ValueError):
        names = []
    meant = nearest(path.name, names)
    return (f'; did you mean "{meant}"?', None) if meant else ("", "correct the path")
