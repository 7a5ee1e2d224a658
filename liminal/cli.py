"""The commands: parse options, call one function, report, exit. The only file that prints.

Whatever a command needs is imported inside it, so that ``liminal --help`` imports only click.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, TypeVar

import click

from liminal import __version__, cli_server
from liminal.errors import (
    ConfigurationError,
    Interrupted,
    LiminalError,
    UsageError,
)

if TYPE_CHECKING:
    from liminal import commands
    from liminal.compiler import Compilation
    from liminal.images.engines import BuiltImage
    from liminal.images.events import BuildEvent, Report
    from liminal.images.recipe import ImagePlan
    from liminal.lock import Holder
    from liminal.model import App
    from liminal.runners.embedded.events import Event

Command = TypeVar("Command", bound=Callable[..., Any])

BUG_REPORT = "this is a bug of Liminal; please report it with the lines above"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits: the one place that maps what happened to a status."""
    try:
        status = _status(arguments)
    except _ReaderGone:
        # Whoever read our output went away; Python must not complain when it flushes the rest.
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        status = Interrupted.exit_code
    sys.exit(status)


def _status(arguments: Sequence[str] | None) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` has it ignored
            signal.signal(number, signal.default_int_handler)
    try:
        result = cli.main(args=arguments, prog_name="liminal", standalone_mode=False)
    except LiminalError as problem:
        _complain(problem)
        return problem.exit_code
    except click.ClickException as problem:
        problem.show()
        return UsageError.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        return Interrupted.exit_code
    except _ReaderGone:
        raise
    except Exception:  # the one handler for bugs
        _say(traceback.format_exc())
        _say(BUG_REPORT)
        return 1
    return result if isinstance(result, int) else 0


class _ReaderGone(Exception):
    """Nobody reads our output any more.

    Not the OSError that it begins as: click would exit with 1, as for a bug, and a build would take
    it for a disk that cannot be written.
    """


def path_options(command: Command) -> Command:
    """``[PATH]`` and ``--path PATH``, which say the same."""
    option = click.option(
        "--path", "path_option", metavar="PATH", help="The same as the argument PATH."
    )
    argument = click.argument("path", required=False, metavar="[PATH]")
    return argument(option(command))


def engine_option(command: Command) -> Command:
    """``--engine``."""
    option = click.option(
        "--engine",
        default="auto",
        envvar="LIMINAL_ENGINE",
        show_default=True,
        show_envvar=True,
        metavar="NAME",
        help="docker, local (needs no Docker), or auto: docker where one answers.",
    )
    return option(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, prog_name="liminal", message="%(prog)s %(version)s")
def cli() -> None:
    """From one liminal.yml to images, Airflow DAGs and HTTP services.

    Begin with "liminal init my_project".
    """


@cli.command()
@click.argument("name", required=False)
@click.option("--template", default="iris", show_default=True, help="What to begin with.")
def init(name: str | None, template: str) -> None:
    """Write a small working project into the folder NAME; never overwrites.

    Example: liminal init my_project
    """
    from liminal.templates import copy_template

    folder = Path(name or template)
    files = copy_template(template, folder, _schema(_here()))
    for file in files:
        _say(f"wrote {file}")
    go = "" if folder.resolve() == Path.cwd() else f'"cd {folder}" and '
    _say(f'\nNext: {go}"liminal run"')


@cli.command()
@path_options
@click.option("--strict", is_flag=True, help="Warnings are errors.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
    help="How findings are written.",
)
def validate(path: str | None, path_option: str | None, strict: bool, format_: str) -> int:
    """Find everything that is wrong with a project; exit 3 on any error.

    Example: liminal validate --format github
    """
    from liminal.compiler.known import check_path
    from liminal.errors import Severity
    from liminal.report import findings

    here = _here()
    checked = check_path(_path(path, path_option), here.environ, here.plugins, here.home.verdicts)
    found = checked.findings
    writers = {"json": findings.as_json, "github": findings.as_github, "sarif": findings.as_sarif}
    if format_ == "text":
        text = findings.as_text(found, _colour(sys.stdout))
    else:
        text = writers[format_](found)
    if text:
        _echo(text)
    fatal = (Severity.ERROR, Severity.WARNING) if strict else (Severity.ERROR,)
    failed = any(finding.severity in fatal for finding in found)
    applications = _counted(checked.applications, "application")
    _say(findings.summary(found) or f"{applications}, no findings")
    return ConfigurationError.exit_code if failed else 0


@cli.command()
@path_options
@click.option(
    "--stage",
    type=click.Choice(["document", "resolved", "app", "plan"]),
    default="resolved",
    show_default=True,
    help="How far to compile.",
)
@click.option(
    "--format", "format_", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True
)
def show(path: str | None, path_option: str | None, stage: str, format_: str) -> None:
    """Print one stage of the compilation.

    Example: liminal show --stage resolved
    """
    from liminal.report import stages

    here = _here()
    compilation = _compiled(_path(path, path_option), here)
    match stage:
        case "document":
            value: object = {one.file: one.root for one in compilation.documents}
        case "resolved":
            value = {str(one["name"]): one for one in compilation.resolved}
        case "app":
            value = {app.name: app for app in compilation.required_apps()}
        case _:
            from liminal.plan import plans

            value = {app.name: plans(app, here.plugins) for app in compilation.required_apps()}
    _echo((stages.as_json if format_ == "json" else stages.as_yaml)(value).rstrip())


@cli.command()
@click.argument("words", nargs=-1, metavar="[PATH] [PIPELINE]")
@click.option("--path", "path_option", metavar="PATH", help="The same as the argument PATH.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "mermaid", "svg"]),
    default="text",
    show_default=True,
)
def graph(words: tuple[str, ...], path_option: str | None, format_: str) -> None:
    """Draw a pipeline: its tasks, and which comes after which.

    A single word is the PATH if it contains "/", ends with ".yml", or is a folder
    with a liminal.yml; else the PIPELINE. Of two words the first is the PATH.

    Example: liminal graph my_pipeline --format svg > my_pipeline.svg
    """
    from liminal import commands
    from liminal.report.graph import graph as drawn

    path, name = _path_and_name(words, path_option)
    here = _here()
    picture = drawn(commands.find_pipeline(_apps(path, here), name, here.plugins))
    match format_:
        case "mermaid":
            from liminal.report.graph_mermaid import as_mermaid

            _echo(as_mermaid(picture))
        case "svg":
            from liminal.report.graph_svg import as_svg

            _echo(as_svg(picture).rstrip())
        case _:
            from liminal.report.graph_text import as_text

            _echo(as_text(picture, ascii_only=_is_ascii(sys.stdout)))


@cli.command()
def schema() -> None:
    """Print the JSON Schema of a liminal.yml, for editors.

    Example: liminal schema > liminal.schema.json
    """
    _echo(_schema(_here()), nl=False)


@cli.command()
@path_options
@click.option("--image", "names", multiple=True, metavar="NAME", help="Only this one; repeatable.")
@engine_option
@click.option("--no-cache", is_flag=True, help="Make everything again.")
@click.option("--push", is_flag=True, help="Push what is built to its registry.")
@click.option("--jobs", type=click.IntRange(1), help="Images at once; default: the processors.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text")
def build(
    path: str | None,
    path_option: str | None,
    names: tuple[str, ...],
    engine: str,
    no_cache: bool,
    push: bool,
    jobs: int | None,
    format_: str,
) -> int:
    """Build the images whose inputs changed, side by side.

    Example: liminal build --image myorg/app:1.2
    """
    from liminal import commands
    from liminal.report import build as report

    here = _here()
    images = commands.all_images(_apps(_path(path, path_option), here), names, no_cache)
    opened = commands.open_engine(_chosen_engine(engine, here), here)
    with _build_told() as tell:
        results = commands.build_images(images, opened, jobs, tell, push=push)
    if format_ == "json":
        _echo(report.as_json(results))
    elif not results:
        _say("there is nothing to build: no image has a source")
    problems = [result.error for result in results if result.error]
    for problem in problems:
        _complain(problem)
    return problems[0].exit_code if problems else 0


@cli.command()
@engine_option
@click.option("--dry-run", is_flag=True, help="Say what would be removed.")
def prune(engine: str, dry_run: bool) -> None:
    """Remove images, environments and containers that nobody needs any more.

    Of each image the last five contents stay, and all of the last day. What killed
    runs left behind is removed too.

    Example: liminal prune --dry-run
    """
    import time

    from liminal import commands

    here = _here()
    name = _chosen_engine(engine, here)
    removed = commands.open_engine(name, here).prune(time.time(), dry_run=dry_run)
    if not dry_run:
        removed = (*commands.recovered(here, name), *removed)
    for what in removed:
        _echo(_printable(what))
    _say(f"{_counted(len(removed), 'thing')} {'would be ' if dry_run else ''}removed")


@cli.command()
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

    path, name = _path_and_name(words, path_option)
    here = _here()
    apps = _apps(path, here)
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
            _data(report.dry_run_data(planned))
        else:
            _echo("\n".join(report.dry_run(planned, colour=_colour(sys.stdout))))
        return 0
    chosen = select(plan, task=task, from_task=from_task)
    engine = _chosen_engine(engine, here)
    needed = commands.images_by_engine(chosen, engine, here.plugins)
    built = {
        one: _built(commands.images_of(plan.app, apps, names), one, here)
        for one, names in needed.items()
    }
    machine = here.machine(built, engine)
    tell = _tell_run(sys.stderr if format_ == "json" else sys.stdout)
    result = run_plan(plan, request, machine, here.plugins, tell)
    if format_ == "json":
        _data(report.as_data(result))
    problem = result.error()
    if problem is None:
        return 0
    if problem.hint:  # what went wrong was told when the run ended
        _say(_printable(f"  hint: {problem.hint}"))
    return problem.exit_code


@cli.command()
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

    path, name = _path_and_name(words, path_option)
    here = _here()
    apps = _apps(path, here)
    plan = commands.find_service(apps, name)
    images = commands.images_of(plan.app, apps, {plan.image})
    engine = _chosen_engine(engine, here)
    machine = here.machine({engine: _built(images, engine, here)}, engine)
    told = Told(
        output=_tell_output,
        ready=lambda url: _say("\n".join(addresses(plan, url))),
        notice=lambda text: _say(_printable(text)),
    )
    run_service(plan, machine, here.plugins, (host, port), commands.now(), told)


def dags_option(command: Command) -> Command:
    """``--dags-folder``."""
    option = click.option(
        "--dags-folder",
        "dags",
        envvar="LIMINAL_DAGS_FOLDER",
        show_envvar=True,
        metavar="DIR",
        help="The DAGs folder of an Airflow; default: dags in $LIMINAL_HOME.",
    )
    return option(command)


def format_option(command: Command) -> Command:
    """``--format``."""
    option = click.option(
        "--format", "format_", type=click.Choice(["text", "json"]), default="text"
    )
    return option(command)


@cli.command()
@path_options
@dags_option
@engine_option
@click.option("--clean", is_flag=True, help="Remove all other applications from the folder.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@format_option
def deploy(
    path: str | None,
    path_option: str | None,
    dags: str | None,
    engine: str,
    clean: bool,
    dry_run: bool,
    format_: str,
) -> None:
    """Compile the pipelines and put them into a DAGs folder.

    All of the project is validated first; nothing changes if it has an error.

    Example: liminal deploy --dags-folder /opt/airflow/dags
    """
    from liminal import commands
    from liminal.deploy import install
    from liminal.report import deploy as report

    here = _here()
    compilation = _compiled(_path(path, path_option), here)
    _warn(compilation)
    chosen = _chosen_engine(engine, here)
    references = commands.references_of(compilation.required_apps(), chosen, here, _say)
    releases = commands.releases(compilation, here.plugins, chosen, references)
    folder = _dags(dags, here)
    changes = install.deploy(
        folder, releases, clean=clean, dry_run=dry_run, waiting=_tell_waiting(folder)
    )
    if format_ == "json":
        _data(report.changes_data(changes))
        return
    for line in report.changes(changes, colour=_colour(sys.stdout)):
        _echo(line)
    _say(report.summary(changes, folder, dry_run))


@cli.command()
@click.argument("app")
@click.option("--to", metavar="HASH", help="The release; default: the one before.")
@dags_option
@format_option
def rollback(app: str, to: str | None, dags: str | None, format_: str) -> None:
    """Put an earlier deployment of an application back.

    Runs that began on another one end on that one.

    Example: liminal rollback my_app --to 3f2a
    """
    from liminal.deploy import install
    from liminal.report import deploy as report

    folder = _dags(dags, _here())
    release, changes = install.rollback(folder, app, to, waiting=_tell_waiting(folder))
    if format_ == "json":
        _data({"release": release, "changes": report.changes_data(changes)})
        return
    for line in report.changes(changes, colour=_colour(sys.stdout)):
        _echo(line)
    _say(f'the application "{app}" is at release {release} in "{folder}"')


@cli.command("list")
@dags_option
@format_option
def list_(dags: str | None, format_: str) -> None:
    """List the deployed applications with their pipelines and releases.

    Example: liminal list --format json
    """
    from liminal.deploy.install import deployed
    from liminal.report import deploy as report

    folder = _dags(dags, _here())
    found = deployed(folder)
    if format_ == "json":
        _data(report.deployed_data(found))
        return
    for line in report.deployed(found):
        _echo(line)
    if not found:
        _say(f'nothing is deployed in "{folder}"')


@cli.command()
@path_options
@dags_option
@click.option("--clean", is_flag=True, help='Remove what "liminal run" kept of it, too.')
@format_option
def delete(
    path: str | None, path_option: str | None, dags: str | None, clean: bool, format_: str
) -> None:
    """Take applications out of a DAGs folder; PATH may be the name of one, too.

    Airflow keeps the history of their runs.

    Example: liminal delete my_app
    """
    from liminal.deploy import install
    from liminal.files import remove_tree
    from liminal.report import deploy as report

    here, named = _here(), _path(path, path_option)
    folder = _dags(dags, here)
    known = {one.app for one in install.deployed(folder)}
    is_name = named in known and not os.path.lexists(named)
    apps = {named} if is_name else {app.name for app in _apps(named, here)}
    changes = install.delete(folder, apps, waiting=_tell_waiting(folder))
    if clean:
        for app in sorted(apps):
            remove_tree(here.home.runs / app)
    if format_ == "json":
        _data(report.changes_data(changes))
        return
    for line in report.changes(changes, colour=_colour(sys.stdout)):
        _echo(line)
    if not changes:
        _say(f'none of {", ".join(sorted(apps))} is deployed in "{folder}"')


def _dags(named: str | None, here: commands.Here) -> Path:
    """The DAGs folder; that of our own home is made for its owner only."""
    from liminal.files import make_private_folder

    if named:
        return Path(named).expanduser().absolute()
    make_private_folder(here.home.path)
    return here.home.dags


def _tell_waiting(folder: Path) -> Callable[[Holder], None]:
    return lambda holder: _say(
        f'waiting for process {holder.pid} on {holder.host}, which changes "{folder}"'
    )


for _command in (
    cli_server.start,
    cli_server.stop,
    cli_server.status,
    cli_server.trigger,
    cli_server.logs,
):
    cli.add_command(_command)


def _path(argument: str | None, option: str | None) -> str:
    if argument and option and argument != option:
        raise UsageError(f'two paths are given: "{argument}" and "{option}"')
    return argument or option or "."


def _path_and_name(words: Sequence[str], option: str | None) -> tuple[str, str | None]:
    """Tells ``[PATH] [NAME]`` apart; a single word may be either."""
    match words:
        case ():
            return _path(None, option), None
        case (path, name):
            return _path(path, option), name
        case (word,):
            if _looks_like_path(word) or (option is None and _is_project(word)):
                return _path(word, option), None
            return _path(None, option), word
    raise UsageError(f"one path and one name at most, not: {' '.join(words)}")


def _is_project(word: str) -> bool:
    from liminal.compiler.source import FILE_NAMES

    return any(Path(word, name).is_file() for name in FILE_NAMES)


def _looks_like_path(word: str) -> bool:
    return os.sep in word or word in (".", "..") or word.endswith((".yml", ".yaml"))


def _here() -> commands.Here:
    """This machine: the one place where the process's environment is read."""
    from liminal.commands import Here
    from liminal.home import find_home
    from liminal.plugins import discover

    user_home = Path.home()
    try:
        home = find_home(os.environ, user_home)
    except ValueError as problem:
        raise UsageError(str(problem), hint="write the whole path") from problem
    return Here(
        home=home,
        environ=dict(os.environ),
        user_home=user_home,
        plugins=discover(),
    )


def _schema(here: commands.Here) -> str:
    """The JSON Schema of a liminal.yml with the types that are installed, as a file holds it."""
    import json

    from liminal.compiler.schema import compose

    return json.dumps(compose(here.plugins), indent=2, ensure_ascii=False) + "\n"


def _compiled(path: str, here: commands.Here) -> Compilation:
    from liminal.compiler import compile_path

    return compile_path(path, here.environ, here.plugins)


def _apps(path: str, here: commands.Here) -> tuple[App, ...]:
    """The applications under the path, with their warnings told."""
    compilation = _compiled(path, here)
    apps = compilation.required_apps()
    _warn(compilation)
    return apps


def _warn(compilation: Compilation) -> None:
    """Tells what is worth a look in a project that has no errors."""
    from liminal.errors import has_errors
    from liminal.report.findings import as_text

    if compilation.findings and not has_errors(compilation.findings):
        _say(as_text(compilation.findings, _colour(sys.stderr)))


def _chosen_engine(name: str, here: commands.Here) -> str:
    """The engine that ``--engine`` means; says which one ``auto`` took, and why."""
    from liminal import commands

    choice = commands.choose_engine(name, here)
    if choice.because is not None:
        _say(f"engine {choice.name}: {choice.because}")
    return choice.name


def _built(images: Sequence[ImagePlan], engine: str, here: commands.Here) -> dict[str, BuiltImage]:
    """Name -> image, as they are now."""
    from liminal import commands

    if not images:
        return {}
    opened = commands.open_engine(engine, here)
    with _build_told() as tell:
        return commands.built(commands.build_images(images, opened, None, tell))


@contextlib.contextmanager
def _build_told() -> Iterator[Report]:
    """Tells what happens in a build: a terminal has bars that move, anything else plain lines."""
    if not sys.stderr.isatty() or os.environ.get("CI") or os.environ.get("TERM") == "dumb":
        yield _tell_build
        return
    import shutil
    import time

    from liminal.report.live import LiveBuild

    with LiveBuild(
        write=lambda text: _echo(text, file=sys.stderr, nl=False, color=True),
        clock=time.monotonic,
        columns=lambda: shutil.get_terminal_size().columns,
        colour=_colour(sys.stderr),
        ascii_only=_is_ascii(sys.stderr),
    ) as live:
        yield live.tell


def _tell_build(event: BuildEvent) -> None:
    """Writes what happens in a build, but not what its steps write: an error has the last of it."""
    from liminal.images.events import Output
    from liminal.report.build import line

    if not isinstance(event, Output):
        _say(line(event, colour=_colour(sys.stderr)))


def _tell_output(line: bytes) -> None:
    """Writes a line of a service: to a terminal without what it would obey, else as it is."""
    from liminal.report.terminal import printable

    if not sys.stdout.isatty():
        _echo(line, nl=False)
        return
    _echo(printable(line.decode(errors="replace").rstrip("\r\n"), colour=_colour(sys.stdout)))


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
        for line in render(event, width=width, colour=_colour(to)):
            _echo(line, file=to)

    return tell


def _data(value: object) -> None:
    """The value as JSON on stdout."""
    import json

    _echo(json.dumps(value, indent=2))


def _complain(problem: LiminalError) -> None:
    """The error on stderr; of a configuration, each of its findings."""
    if isinstance(problem, ConfigurationError):
        from liminal.report.findings import as_text, summary

        _say(as_text(problem.diagnostics, _colour(sys.stderr)))
        _say(summary(problem.diagnostics))
        return
    _say(f"{click.style('error', fg='red', bold=True)}: {_printable(problem.message)}")
    if problem.hint:
        _say(_printable(f"  hint: {problem.hint}"))


def _printable(text: str, stream: TextIO | None = None) -> str:
    """What others wrote, as stderr, or that stream, may have it."""
    from liminal.report.terminal import printable

    return printable(text, colour=_colour(stream or sys.stderr))


def _say(text: str) -> None:
    """A message for people: never on stdout, which is for data."""
    _echo(text, file=sys.stderr, color=_colour(sys.stderr))


def _echo(
    text: str | bytes, *, file: TextIO | None = None, nl: bool = True, color: bool | None = None
) -> None:
    try:
        click.echo(text, file=file or sys.stdout, nl=nl, color=color)
    except BrokenPipeError as problem:
        raise _ReaderGone from problem


def _is_ascii(stream: TextIO) -> bool:
    """Whether the stream would refuse the characters that lines are drawn with."""
    try:
        "\u25cf\u2502".encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return True
    return False


def _colour(stream: TextIO) -> bool:
    """Whether to colour. Source: no-color.org."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
