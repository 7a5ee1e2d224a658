"""The commands that run it on this machine: ``run``, ``serve``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

import click

from liminal.cli.console import colours, echo, printable, say, tell_output, write_data
from liminal.cli.options import engine_option, path_and_name
from liminal.cli.project import applications, built_images, chosen_engine, find_here

if TYPE_CHECKING:
    from liminal.runners.embedded.events import Event


@click.command()
@click.argument("words", nargs=-1, metavar="[PATH] [PIPELINE]")
@click.option("--path", "path_option", metavar="PATH", help="The same as the argument PATH.")
@click.option("--task", metavar="TASK", help="Run this task only.")
@click.option("--from", "from_task", metavar="TASK", help="Run this task and those after it.")
@click.option("--var", "variables", multiple=True, metavar="K=V", help="A variable; repeatable.")
@engine_option
@click.option("--dry-run", is_flag=True, help="Say what would run, in which order.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
def run(
    words: tuple[str, ...],
    path_option: str | None,
    task: str | None,
    from_task: str | None,
    variables: tuple[str, ...],
    engine: str,
    dry_run: bool,
    format_: str,
) -> int:
    """Run a pipeline on this machine, without Airflow.

    Images whose inputs changed are built first.

    A single word is the PATH if it contains "/", ends with ".yml", or is a folder
    with a liminal.yml; else the PIPELINE. Of two words the first is the PATH.

    Example: liminal run my_pipeline --var threshold=0.8 --from train
    """
    from liminal import commands
    from liminal.report import run as report
    from liminal.runners.embedded.dry import describe
    from liminal.runners.embedded.preparation import Request
    from liminal.runners.embedded.run import run as run_plan
    from liminal.runners.embedded.selection import select

    path, name = path_and_name(words, path_option)
    here = find_here()
    apps = applications(path, here)
    plan = commands.find_pipeline(apps, name, here.plugins)
    request = Request(
        now=commands.now(),
        task=task,
        from_task=from_task,
        variables=commands.parse_variables(variables),
    )
    if dry_run:
        planned = describe(plan, request)
        if format_ == "json":
            write_data(report.dry_run_data(planned))
        else:
            echo("\n".join(report.dry_run(planned, colour=colours(sys.stdout))))
        return 0
    chosen = select(plan, task=task, from_task=from_task)
    engine = chosen_engine(engine, here)
    needed = commands.images_by_engine(chosen, engine, here.plugins)
    built = {
        one: built_images(commands.images_of(plan.app, apps, names), one, here)
        for one, names in needed.items()
    }
    machine = here.machine(built, engine)
    tell = _tell_run(sys.stderr if format_ == "json" else sys.stdout)
    result = run_plan(plan, request, machine, here.plugins, tell)
    if format_ == "json":
        write_data(report.as_data(result))
    problem = result.error()
    if problem is None:
        return 0
    if problem.hint:  # what went wrong was told when the run ended
        say(printable(f"  hint: {problem.hint}"))
    return problem.exit_code


@click.command()
@click.argument("words", nargs=-1, metavar="[PATH] [SERVICE]")
@click.option("--path", "path_option", metavar="PATH", help="The same as the argument PATH.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@engine_option
def serve(
    words: tuple[str, ...], path_option: str | None, host: str, port: int, engine: str
) -> None:
    """Run a service on this machine in the foreground, until Ctrl-C.

    Its image is built first if it changed.

    A single word is the PATH if it contains "/", ends with ".yml", or is a folder
    with a liminal.yml; else the SERVICE. Of two words the first is the PATH.

    Example: liminal serve my_server --port 8000
    """
    from liminal import commands
    from liminal.report.service import addresses
    from liminal.runners.service import Told, run_service

    path, name = path_and_name(words, path_option)
    here = find_here()
    apps = applications(path, here)
    plan = commands.find_service(apps, name)
    images = commands.images_of(plan.app, apps, {plan.image})
    engine = chosen_engine(engine, here)
    machine = here.machine({engine: built_images(images, engine, here)}, engine)
    say(f"{plan.service}: starting")
    told = Told(
        output=tell_output,
        ready=lambda url: say("\n".join(addresses(plan, url))),
        notice=lambda text: say(printable(text)),
    )
    run_service(plan, machine, here.plugins, (host, port), commands.now(), told)


def _tell_run(stream: TextIO) -> Callable[[Event], None]:
    """Writes events as they happen: what tasks write to the stream, the rest to stderr."""
    from liminal.report.run import render, width_of
    from liminal.runners.embedded.events import RunStarted, TaskOutput

    width = 0

    def tell(event: Event) -> None:
        nonlocal width
        if isinstance(event, RunStarted):
            width = width_of(event)
        to = stream if isinstance(event, TaskOutput) else sys.stderr
        for line in render(event, width=width, colour=colours(to)):
            echo(line, file=to)

    return tell
