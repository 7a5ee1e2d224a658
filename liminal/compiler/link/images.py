"""Images: those listed, and those that tasks and services define in short form."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from liminal.compiler.defaults import TASK_LISTS
from liminal.compiler.link.context import Context
from liminal.compiler.link.endpoints import endpoints
from liminal.compiler.link.values import known_env_vars, settings, strings
from liminal.compiler.nodes import Map
from liminal.compiler.schema import DEFAULT_TASK_TYPE
from liminal.errors import MAX_FINDINGS
from liminal.model import Image, Setting
from liminal.origin import Origin
from liminal.plugins import PluginError
from liminal.suggest import nearest

# Source: the grammar and the limit of distribution/reference.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    # A registry has a dot or a port: else Docker takes it for a part of the name, in lower case.
    rf"(?:(?=[^/]*[.:]|localhost/)[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?/)?"
    rf"{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)

_MAX_REFERENCE = 255

_SHARED_KEYS = (
    "python_version base_image requirements system_packages build_packages build_cmd no_cache"
    " pip_conf build_secrets ca_bundle dockerfile".split()
)
"""Keys of an image that a task or service in short form may give too."""


def images(layer: Map, context: Context) -> Iterator[Image]:
    """Every image that has a source, each name once, in the order of the file."""
    met: dict[str, Image] = {}
    kinds: dict[str, Map] = {}  # image -> the entry that decides its type
    for entry in context.unique(layer.sequence("images"), "image"):
        if "source" in entry:
            image = _image(entry, entry.string("type") or "python", context)
            met[image.name] = image
            kinds[image.name] = entry
        else:
            _check_reference(entry, context)
    for entry, kind in _short_forms(layer, context):
        image = _image(entry, kind, context)
        first = met.get(image.name)
        if first is not None:
            image = _joined(first, image, kinds[image.name], entry, context)
        if first is None or ("service" in entry and "task" in kinds[image.name]):
            kinds[image.name] = entry
        met[image.name] = image
    yield from met.values()


def image_reference(entry: Map, context: Context) -> str | None:
    """The image that a task or service runs in; a name that looks misspelt is a warning."""
    name = entry.string("image")
    if name is None:
        return None
    if "source" not in entry and _check_reference(entry, context) and name not in context.images:
        if name not in context.meant_images:  # most tasks of a layer run in the same few
            enough = context.full or len(context.meant_images) >= MAX_FINDINGS
            known = () if enough else context.in_order(context.images)
            context.meant_images[name] = nearest(name, known)
        meant = context.meant_images[name]
        if meant:
            message = f'no image is named "{name}"; did you mean "{meant}"?'
            context.warning("unknown-image", message, entry.at("image"))
    return name


def _short_forms(layer: Map, context: Context) -> Iterator[tuple[Map, str]]:
    types = context.plugins.names("liminal.images")
    for pipeline in layer.sequence("pipelines").mappings():
        for key in TASK_LISTS:
            for task in pipeline.sequence(key).mappings():
                if "source" in task and "image" in task:
                    kind = task.string("type") or DEFAULT_TASK_TYPE
                    yield task, kind if kind in types else "python"
    for service in layer.sequence("services").mappings():
        if "source" in service and "image" in service:
            yield service, service.string("type") or "python_server"


def _joined(first: Image, second: Image, decides: Map, entry: Map, context: Context) -> Image:
    """One image of what two entries say of it; each key that they say differently is a finding.

    A service decides the type of an image that tasks only run in; a listed image keeps its own.
    """
    differing = [] if _source_of(first) == _source_of(second) else ["source"]
    joined: dict[str, Any] = {}
    for key in _SHARED_KEYS:
        one, other = getattr(first, key), getattr(second, key)
        if not one:
            joined[key] = other
        elif other and one != other:
            differing.append(key)
    differing += [
        key for key, value in second.settings.items() if first.settings.get(key, value) != value
    ]
    joined["settings"] = {**second.settings, **first.settings}
    if first.endpoints and second.endpoints:
        if [replace(one, origin=first.origin) for one in first.endpoints] != [
            replace(one, origin=first.origin) for one in second.endpoints
        ]:
            differing.append("endpoints")
    else:
        joined["endpoints"] = first.endpoints or second.endpoints
    if "task" in decides and "service" in entry:
        joined["type"] = second.type
    elif "task" in decides and "task" in entry and first.type != second.type:
        differing.append("type")
    for key in differing:
        context.error(
            "duplicate-image",
            f'image "{first.name}" has another {key} at {first.origin}',
            entry.at(key),
            "list the image once under images, and name it here",
        )
    return replace(first, **joined)


def _source_of(image: Image) -> str:
    return os.path.normpath(os.path.join(image.folder, image.source))


def _image(entry: Map, kind: str, context: Context) -> Image:
    _check_reference(entry, context)
    source = _source(entry, context)
    if source is not None:
        context.sources.setdefault(entry.string("image") or "", source)
    python_version = entry.string("python_version")
    is_listed = "task" not in entry and "service" not in entry
    secrets = entry.mapping("build_secrets")
    return Image(
        name=entry.string("image") or "",
        type=kind,
        folder=context.folder_of(entry.at("source").file),
        source=entry.string("source") or "",
        origin=entry.at("image"),
        python_version=python_version,
        base_image=_base_image(entry, context),
        requirements=entry.string("requirements"),
        system_packages=strings(entry, "system_packages"),
        build_packages=strings(entry, "build_packages"),
        build_cmd=_one_line(entry, "build_cmd", context),
        no_cache=entry.flag("no_cache") or False,
        pip_conf=_beside_source(entry, entry, "pip_conf", context),
        build_secrets={
            name: _beside_source(entry, secrets, name, context) or "" for name in secrets
        },
        ca_bundle=_beside_source(entry, entry, "ca_bundle", context),
        dockerfile=entry.string("dockerfile"),
        env_vars=_env_vars(entry, context) if is_listed else {},
        endpoints=endpoints(entry, source, context),
        settings=_type_settings(entry, kind, context),
    )


def _type_settings(entry: Map, kind: str, context: Context) -> dict[str, Setting]:
    try:
        keys = context.plugins.load("liminal.images", kind).properties
    except PluginError as problem:
        context.error("plugin", str(problem), entry.at("type"))
        return {}
    common = ("endpoints", "dockerfile")
    return {k: v for k, v in settings(entry, keys).items() if k not in common}


def _check_reference(entry: Map, context: Context, key: str = "image") -> bool:
    name = entry.string(key) or ""
    if "{{" in name:  # what is left of a placeholder was told
        return True
    if len(name) <= _MAX_REFERENCE and _REFERENCE.fullmatch(name):
        return True
    hint = "for example myorg/app:1.2; the name is in lower case" if name.lower() != name else None
    context.error("bad-image", f'"{name}" is not the name of an image', entry.at(key), hint)
    return False


def _base_image(entry: Map, context: Context) -> str | None:
    if "base_image" in entry:
        _check_reference(entry, context, "base_image")
    return entry.string("base_image")


def _env_vars(entry: Map, context: Context) -> dict[str, str]:
    """The image's environment; a newline in it would be an instruction of its own."""
    variables = entry.mapping("env_vars")
    for name, value in variables.texts():
        if "\n" in value or "\r" in value:
            context.error(
                "many-lines",
                f'"{name}" has more than one line, which an image cannot set',
                variables.at(name),
                "set it in the env_vars of the task or service",
            )
    return known_env_vars(entry)


def _beside_source(entry: Map, node: Map, key: str, context: Context) -> str | None:
    """The path from the folder of the file that says `source`; absolute if another file says it."""
    path = node.string(key)
    folder = context.folder_of(node.at(key).file)
    if path is None or path.startswith("~") or folder == context.folder_of(entry.at("source").file):
        return path
    return str(Path(folder, path))


def _one_line(entry: Map, key: str, context: Context) -> str | None:
    """The value; a newline in it would be an instruction of its own in a Dockerfile."""
    value = entry.string(key)
    if value is not None and ("\n" in value.strip() or "\r" in value.strip()):
        context.error(
            "many-lines", f'"{key}" has more than one line', entry.at(key), "join them with &&"
        )
    return value.strip() if value is not None else None


def _source(entry: Map, context: Context) -> Path | None:
    """The source's folder, or None and a finding when it cannot be one."""
    written, at = entry.string("source") or "", entry.at("source")
    folder = Path(context.folder_of(at.file))
    if "{{" in written:  # what is left of a placeholder was told
        return None
    if written.startswith(("/", "~")):
        context.error("source-outside", f'source "{written}" is not relative to this file', at)
        return None
    path = folder / written
    context.consult(path)
    try:
        real, home = path.resolve(strict=True), folder.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a loop of links, before Python 3.13
        if _stays_inside(written):
            _missing_source(written, folder, at, context)
        else:
            message = f'source "{written}" leaves the folder of this file'
            context.error("source-outside", message, at, "keep sources beside their liminal.yml")
        return None
    if real != home and home not in real.parents:
        through = "through a link " if _stays_inside(written) else ""
        message = f'source "{written}" leaves the folder of this file {through}to {real}'
        context.error("source-outside", message, at, "keep sources beside their liminal.yml")
        return None
    if not real.is_dir():
        context.error("source-missing", f'source "{written}" is not a folder', at)
        return None
    return path


def _missing_source(written: str, folder: Path, at: Origin, context: Context) -> None:
    known = (
        sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    )
    meant = nearest(written, known)
    question = f'; did you mean "{meant}"?' if meant else ""
    context.error("source-missing", f'source "{written}" does not exist{question}', at)


def _stays_inside(written: str) -> bool:
    depth = 0
    for part in Path(written).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True
