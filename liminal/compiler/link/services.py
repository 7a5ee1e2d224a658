"""Services, and the image that each of them runs."""

from liminal.compiler.link.context import Context
from liminal.compiler.link.endpoints import endpoints
from liminal.compiler.link.images import image_reference
from liminal.compiler.link.storage import mounts, secret_mounts
from liminal.compiler.link.values import known_env_vars, resources
from liminal.compiler.nodes import Map
from liminal.model import Autoscaling, Service

DEFAULT_PORT = 80


def services(layer: Map, context: Context) -> tuple[Service, ...]:
    """The layer's services in the order of the file."""
    entries = context.unique(layer.sequence("services"), "service")
    return tuple(service for entry in entries if (service := _service(entry, context)))


def _service(entry: Map, context: Context) -> Service | None:
    name = entry.text("service") or ""
    image = image_reference(entry, context)
    if image is None:
        context.error(
            "missing-key", f'service "{name}" has no "image"', entry.origin, 'add "image: …"'
        )
        return None
    built = context.images.get(image)
    # Those of a short form were checked with its image.
    own = endpoints(entry, None, context) if "source" not in entry else ()
    if built is not None and not (own or built.endpoints):
        context.error(
            "no-endpoints",
            f'service "{name}" has no endpoints, and neither has its image "{image}"',
            entry.at("image"),
            'add "endpoints" to the image',
        )
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
