"""The commands of the embedded Airflow: ``start``, ``stop``, ``status``, ``trigger``, ``logs``.

As in `liminal.cli.main`, whatever a command needs is imported inside it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from liminal.cli.console import colours, echo, printable, say, write_data
from liminal.cli.options import is_project, path_of
from liminal.cli.project import applications, built_images, chosen_engine, find_here

if TYPE_CHECKING:
    from liminal.commands import Here
    from liminal.server.api import TaskRun
    from liminal.server.leftovers import Leftovers
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
    from liminal.server import start as server

    here = find_here()
    machine = _machine(here)
    record = server.running(here.home, port)
    if record is not None:
        say(f"the server runs already (process {record.pid})")
        _tell_server(here, record)
        return 0
    if detach:
        words = [name for name, given in (("--no-services", no_services),) if given]
        words += ["--port", str(server.DEFAULT_PORT if port is None else port)]
        words += ["--engine", engine, "--path", path_of(path, path_option)]
        started = server.detach(machine, ["start", *words], Path.cwd(), say)
        if isinstance(started, int):
            return started
        if sys.stderr.isatty():
            _tell_password(here)
        say('it goes on in the background; "liminal stop" ends it')
        return 0
    services = [] if no_services else _services(path_of(path, path_option), engine, here)
    server.run_server(
        machine,
        server.DEFAULT_PORT if port is None else port,
        services,
        say,
        lambda record: _tell_server(here, record),
    )
    say("the server is stopped")
    return 0


@click.command()
def stop() -> None:
    """Stop Airflow, the services, and every task that runs.

    Example: liminal stop
    """
    from liminal.server.stop import stop as stop_server

    stopped = stop_server(_leftovers(find_here()), say)
    for words in stopped.found:
        say(f"{words}: a killed server had left it")
    say("the server is stopped" if stopped.ran else "no server runs")


def _machine(here: Here) -> Machine:
    from liminal.server.start import Machine, this_python

    return Machine(
        home=here.home,
        environ=here.environ,
        leftovers=_leftovers(here),
        python=this_python(),
    )


def _leftovers(here: Here) -> Leftovers:
    from liminal.server.leftovers import Leftovers

    return Leftovers(here.machine({}, ""), here.plugins)


def _services(path: str, engine: str, here: Here) -> list[Wanted]:
    """The services under the path, with their images built; none where there is no project."""
    from liminal import commands
    from liminal.plan.services import service_plans
    from liminal.server.start import Wanted

    if path == "." and not is_project(path):
        return []
    apps = applications(path, here)
    plans = [(app, plan) for app in apps for plan in service_plans(app)]
    if not plans:
        return []
    chosen = chosen_engine(engine, here)
    for app in apps:
        images = {plan.image for owner, plan in plans if owner is app}
        built_images(commands.images_of(app.name, apps, images), chosen, here)
    return [
        Wanted(name=plan.service, folder=Path(app.folder), engine=chosen) for app, plan in plans
    ]


def _tell_server(here: Here, record: ServerRecord) -> None:
    """Where everything answers."""
    say(f"Airflow {record.version} answers on {record.url}")
    for part in record.parts:
        if part.kind == "service":
            name = part.name.removeprefix("service-")
            where = f"answers on {part.url}"
            say(f"service {name} " + (where if part.state == "running" else f"{part.reason}"))
    _tell_password(here)


def _tell_password(here: Here) -> None:
    """The user and the password in a terminal; else where the password is."""
    from liminal.server.folder import ServerFolder
    from liminal.server.secrets import USER, read_password

    folder = ServerFolder(here.home.airflow)
    if sys.stderr.isatty():
        say(f"user {USER}, password {read_password(folder)}")
    else:
        say(f'user {USER}, password in "{folder.passwords}"')


@click.command()
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
def status(format_: str) -> None:
    """Show the server, its pipelines and services, and the images.

    Example: liminal status --format json
    """
    from liminal import commands
    from liminal.report import server as report
    from liminal.server.status import ImageStatus
    from liminal.server.status import status as read_status

    here = find_here()
    images = tuple(
        ImageStatus(name=name, hash=hash, engine=engine)
        for engine, named in commands.named_images(here).items()
        for name, hash in named.items()
    )
    found = read_status(here.home, images)
    if format_ == "json":
        write_data(report.as_data(found))
        return
    colour = colours(sys.stdout)
    for line in report.as_text(found, now=commands.now(), colour=colour):
        echo(printable(line, sys.stdout))
    if found.url and sys.stdout.isatty():
        _tell_password(here)


@click.command()
@click.argument("pipeline")
@click.option("--var", "variables", multiple=True, metavar="K=V", help="A variable; repeatable.")
@click.option("--wait", is_flag=True, help="Follow the run; exit 5 if it fails.")
def trigger(pipeline: str, variables: tuple[str, ...], wait: bool) -> int:
    """Run a pipeline on the server that "liminal start" started.

    Example: liminal trigger my_pipeline --var threshold=0.8 --wait
    """
    from liminal import commands
    from liminal.errors import RunError
    from liminal.report import server as report
    from liminal.server import trigger as runs
    from liminal.server.api import open_api

    here = find_here()
    given = commands.parse_variables(variables)
    api = open_api(here.home)
    details = runs.find_details(api, here.home, pipeline)
    run_id = api.trigger(pipeline, runs.configuration(given, details.params))
    if not sys.stdout.isatty():
        echo(run_id)
    say(f"{pipeline}: run {run_id}")
    if details.paused:
        say(f"{pipeline} is paused: the run waits until somebody unpauses it in Airflow")
    if not wait:
        return 0
    colour = colours(sys.stderr)

    def tell(task: TaskRun) -> None:
        say(report.task_line(task, colour=colour))

    run = runs.follow(api, pipeline, run_id, here.home, tell)
    for task in api.tasks(pipeline, run_id):
        if task.state == "failed":
            for line in api.log(task)[-runs.LAST_LINES :]:
                say(printable(f"{task.label} | {line}"))
    say(report.run_line(run, colour=colour))
    if run.state == "success":
        return 0
    say(f'  hint: "liminal logs {pipeline}" shows all of what its tasks wrote')
    return RunError.exit_code


@click.command()
@click.argument("name", required=False, metavar="[PIPELINE | SERVICE]")
@click.argument("task", required=False)
@click.option("--follow", is_flag=True, help="Go on with each line as it comes, until Ctrl-C.")
@click.option("--tail", type=click.IntRange(0), metavar="N", help="Only the last N lines of each.")
def logs(name: str | None, task: str | None, follow: bool, tail: int | None) -> None:
    """Show what a pipeline's latest run, a service or the server wrote.

    Without a name, the server: "supervisor", "api-server", "scheduler",
    "dag-processor" and the services; each of them is a name too.

    Example: liminal logs my_pipeline train --follow
    """
    from liminal.server import logs as written
    from liminal.server.api import open_api

    here = find_here()
    files = written.part_logs(here.home)
    if name is not None and (name not in files or task is not None):
        lines = written.task_lines(open_api(here.home), name, task, tail, follow)
        alone = task is not None
    else:
        chosen = written.server_files(files) if name is None else {name: files[name]}
        lines = written.file_lines(chosen, tail, follow)
        alone = name is not None
        if not files:
            say("no server has run yet")
    for who, line in lines:
        echo(printable(line if alone else f"{who} | {line}", sys.stdout))
