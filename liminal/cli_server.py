"""The commands of the embedded Airflow: ``start``, ``stop``, ``status``, ``trigger``, ``logs``.

As in `liminal.cli`, whatever a command needs is imported inside it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from liminal.commands import Here
    from liminal.server.record import ServerRecord
    from liminal.server.start import Machine, Wanted


@click.command()
@click.argument("path", required=False, metavar="[PATH]")
@click.option("--path", "path_option", metavar="PATH", help="The same as the argument PATH.")
@click.option("--detach", is_flag=True, help="Return once it is ready; the server goes on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Of Airflow; services get those after it. Default: 8080.",
)
@click.option("--no-services", is_flag=True, help="Airflow only.")
@click.option(
    "--engine",
    default="auto",
    envvar="LIMINAL_ENGINE",
    metavar="NAME",
    help="What the images of services are built with.",
)
def start(
    path: str | None,
    path_option: str | None,
    detach: bool,
    port: int | None,
    no_services: bool,
    engine: str,
) -> int:
    """Start Airflow on this machine, and the services of PATH beside it.

    Everything listens on 127.0.0.1 only. Ctrl-C, or "liminal stop", ends it.

    Example: liminal start --detach
    """
    from liminal import cli
    from liminal.server import start as server

    here = cli._here()
    machine = _machine(here)
    record = server.running(here.home, port)
    if record is not None:
        cli._say(f"the server runs already (process {record.pid})")
        _tell_server(here, record)
        return 0
    if detach:
        words = [name for name, given in (("--no-services", no_services),) if given]
        words += ["--port", str(server.DEFAULT_PORT if port is None else port)]
        words += ["--engine", engine, "--path", cli._path(path, path_option)]
        started = server.detach(machine, ["start", *words], Path.cwd(), cli._say)
        if isinstance(started, int):
            return started
        if sys.stderr.isatty():
            _tell_password(here)
        cli._say('it goes on in the background; "liminal stop" ends it')
        return 0
    services = [] if no_services else _services(cli._path(path, path_option), engine, here)
    server.run_server(
        machine,
        server.DEFAULT_PORT if port is None else port,
        services,
        cli._say,
        lambda record: _tell_server(here, record),
    )
    cli._say("the server is stopped")
    return 0


@click.command()
def stop() -> None:
    """Stop Airflow, the services, and every task that runs.

    Example: liminal stop
    """
    from liminal import cli
    from liminal.server.stop import stop as stop_server

    stopped = stop_server(cli._here().home, cli._say)
    for words in stopped.found:
        cli._say(f"ended {words}, which a killed server had left")
    cli._say("the server is stopped" if stopped.ran else "no server runs")


def _machine(here: Here) -> Machine:
    from liminal.server.start import Machine, this_python

    return Machine(home=here.home, environ=here.environ, python=this_python())


def _services(path: str, engine: str, here: Here) -> list[Wanted]:
    """The services under the path, with their images built; none where there is no project."""
    from liminal import cli, commands
    from liminal.plan.services import service_plans
    from liminal.server.start import Wanted

    if path == "." and not cli._is_project(path):
        return []
    apps = cli._apps(path, here)
    plans = [(app, plan) for app in apps for plan in service_plans(app)]
    if not plans:
        return []
    chosen = cli._chosen_engine(engine, here)
    for app in apps:
        images = {plan.image for owner, plan in plans if owner is app}
        cli._built(commands.images_of(app.name, apps, images), chosen, here)
    return [
        Wanted(name=plan.service, folder=Path(app.folder), engine=chosen) for app, plan in plans
    ]


def _tell_server(here: Here, record: ServerRecord) -> None:
    """Where everything answers."""
    from liminal import cli

    cli._say(f"Airflow {record.version} answers on {record.url}")
    for part in record.parts:
        if part.kind == "service":
            name = part.name.removeprefix("service-")
            where = f"answers on {part.url}"
            cli._say(f"service {name} " + (where if part.state == "running" else f"{part.reason}"))
    _tell_password(here)


def _tell_password(here: Here) -> None:
    """The user and the password in a terminal; else where the password is."""
    from liminal import cli
    from liminal.server.folder import ServerFolder
    from liminal.server.secrets import USER, read_password

    folder = ServerFolder(here.home.airflow)
    if sys.stderr.isatty():
        cli._say(f"user {USER}, password {read_password(folder)}")
    else:
        cli._say(f'user {USER}, password in "{folder.passwords}"')
