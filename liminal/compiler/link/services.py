"""Services, and the image that each of them runs."""

from liminal.compiler.link.context import Context
from liminal.compiler.link.endpoints import endpoints
from liminal.compiler.link.images import image_reference
from liminal.compiler.link.mount_paths import check_mount_paths
from liminal.compiler.link.quantities import check_resources
from liminal.compiler.link.storage import mounts, secret_mounts
from liminal.compiler.link.values import known_env_vars, resources
from liminal.compiler.nodes import Map
from liminal.model import Autoscaling, Image, Service
from liminal.plugins import PluginError
from liminal.suggest import misspelt

DEFAULT_PORT = 80


def services(layer: Map, context: Context) -> tuple[Service, ...]:
    """The layer's services in the order of the file."""
    entries = context.unique(layer.sequence("services"), "service")
    return tuple(service for entry in entries if (service := _service(entry, context)))


def _service(entry: Map, context: Context) -> Service | None:
    name = entry.text("service") or ""
    image = image_reference(entry, context)
    if image is None:
        if not misspelt("image", entry):
            message = f'service "{name}" has no "image"'
            context.error("missing-key", message, entry.origin, 'add "image: …"')
        return None
    built = context.images.get(image)
    # Those of a short form were checked with its image.
    own = endpoints(entry, context.sources.get(image), context) if "source" not in entry else ()
    if built is not None:
        _check_serves(entry, built, bool(own or built.endpoints), context)
    check_mount_paths(entry, context)
    check_resources(entry, context)
    return Service(
        name=name,
        image=image,
        origin=entry.origin,
        endpoints=own or (built.endpoints if built else ()),
        description=entry.string("description"),
        env_vars=known_env_vars(entry),
        mounts=mounts(entry, context),
        secrets=secret_mounts(entry, context),
        port=entry.integer("port") or DEFAULT_PORT,
        replicas=entry.integer("replicas"),
        resources=resources(entry),
        autoscaling=_autoscaling(entry, name, context),
        workers=entry.integer("workers"),
        threads=entry.integer("threads"),
        request_timeout_seconds=entry.number("request_timeout_seconds"),
        max_body_mb=entry.number("max_body_mb"),
    )


def _check_serves(entry: Map, image: Image, has_endpoints: bool, context: Context) -> None:
    """Adds an error where the image would not answer.

    One whose type takes endpoints carries the server; what the user's own Dockerfile starts is
    not ours to know.
    """
    try:
        keys = context.plugins.load("liminal.images", image.type).properties
    except PluginError:  # that was told
        return
    if "dockerfile" in keys:
        return
    if "endpoints" not in keys:
        able = [
            kind
            for kind, type_ in context.plugins.loadable("liminal.images")
            if "endpoints" in type_.properties
        ]
        message = f'image "{image.name}" is of type {image.type}, which carries no server'
        hint = f"types that do: {', '.join(able)}"
        context.error("wrong-image", message, entry.at("image"), hint)
    elif not has_endpoints:
        message = f'the service has no endpoints, and neither has its image "{image.name}"'
        context.error("no-endpoints", message, entry.at("image"), 'add "endpoints" to the image')


def _autoscaling(entry: Map, name: str, context: Context) -> Autoscaling | None:
    wanted = entry.mapping("autoscaling")
    if not wanted:
        return None
    least, most = wanted.integer("min") or 1, wanted.integer("max") or 3
    if least > most:
        message = f'"min" of the autoscaling of service "{name}" is more than its "max"'
        context.error("bad-value", message, wanted.at("min"), f"{least} is more than {most}")
    percent = wanted.integer("target_cpu_percent") or 80
    return Autoscaling(min=least, max=most, target_cpu_percent=percent)
