"""Whether the functions that an image serves are in it: a container of it imports them."""

import time
from typing import TYPE_CHECKING

from liminal.errors import BuildError
from liminal.images.engines.docker.dockerfile import SERVED
from liminal.images.engines.docker.layout import LABEL_APP, OURS
from liminal.images.engines.process import LAST_LINES, Processes
from liminal.images.events import Report, Warning

if TYPE_CHECKING:
    from docker import DockerClient

_SECONDS = 300
_POLL_SECONDS = 0.05


def try_functions(
    client: "DockerClient", app: str, name: str, id: str, processes: Processes, report: Report
) -> None:
    """Imports what the image serves, as the service will.

    Raises:
        BuildError: a module or function is not there, or takes longer than any service waits.
        Interrupted: the engine was cancelled.
    """
    container = client.api.create_container(
        id,
        ["python", "-m", "liminal_serving.check", f"{OURS}/{SERVED}"],
        labels={LABEL_APP: app},
    )
    try:
        client.api.start(container)
        status = _status(client, container["Id"], name, processes)
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


def _status(client: "DockerClient", container: str, name: str, processes: Processes) -> int:
    """How it ended. Asked again and again: the engine's own waiting cannot be interrupted."""
    end = time.monotonic() + _SECONDS
    while (state := client.api.inspect_container(container)["State"])["Running"]:
        processes.pause(_POLL_SECONDS)
        if time.monotonic() > end:
            raise BuildError(
                f'image "{name}": importing what it should serve takes more than {_SECONDS} s',
                hint="load what takes long at the first request, or leave it out of the import",
            )
    return int(state["ExitCode"])
