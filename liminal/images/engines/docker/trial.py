"""Whether the functions that an image serves are in it: a container of it imports them."""

from typing import TYPE_CHECKING

from liminal.errors import BuildError
from liminal.images.engines.docker.dockerfile import SERVED
from liminal.images.engines.docker.layout import LABEL_APP, OURS
from liminal.images.engines.process import LAST_LINES
from liminal.images.events import Report, Warning

if TYPE_CHECKING:
    from docker import DockerClient

_SECONDS = 300


def try_functions(client: "DockerClient", name: str, id: str, report: Report) -> None:
    """Imports what the image serves, as the service will.

    Raises:
        BuildError: a module or function is not there.
    """
    container = client.api.create_container(
        id,
        ["python", "-m", "liminal_serving.check", f"{OURS}/{SERVED}"],
        labels={LABEL_APP: name},
    )
    try:
        client.api.start(container)
        status = client.api.wait(container, timeout=_SECONDS)["StatusCode"]
        text = client.api.logs(container).decode(errors="replace").rstrip()
    finally:
        client.api.remove_container(container, force=True, v=True)
    if status == 0 and text:
        message = f"it could not be tried without what it has around it later: {text}"
        report(Warning(image=name, message=message))
    elif status != 0:
        lines = "".join(f"\n  | {line}" for line in text.split("\n")[-LAST_LINES:])
        raise BuildError(
            f'image "{name}": what it should serve is not in it{lines}',
            hint="correct the module, or the requirements, and build again; "
            "what was built before stays in place",
        )
