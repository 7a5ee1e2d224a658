"""The commands of a DAGs folder: ``deploy``, ``rollback``, ``list``, ``delete``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from liminal.cli.console import colours, echo, say, write_data
from liminal.cli.options import dags_option, engine_option, format_option, path_of, path_options
from liminal.cli.project import applications, chosen_engine, compiled, find_here, warn

if TYPE_CHECKING:
    from liminal import commands
    from liminal.lock import Holder


@click.command()
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

    here = find_here()
    compilation = compiled(path_of(path, path_option), here)
    warn(compilation)
    chosen = chosen_engine(engine, here)
    references = commands.references_of(compilation.required_apps(), chosen, here, say)
    releases = commands.releases(compilation, here.plugins, chosen, references)
    folder = _dags(dags, here)
    changes = install.deploy(
        folder, releases, clean=clean, dry_run=dry_run, waiting=_tell_waiting(folder)
    )
    if format_ == "json":
        write_data(report.changes_data(changes))
        return
    for line in report.changes(changes, colour=colours(sys.stdout)):
        echo(line)
    say(report.summary(changes, folder, dry_run))


@click.command()
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

    folder = _dags(dags, find_here())
    release, changes = install.rollback(folder, app, to, waiting=_tell_waiting(folder))
    if format_ == "json":
        write_data({"release": release, "changes": report.changes_data(changes)})
        return
    for line in report.changes(changes, colour=colours(sys.stdout)):
        echo(line)
    say(f'the application "{app}" is at release {release} in "{folder}"')


@click.command("list")
@dags_option
@format_option
def list_(dags: str | None, format_: str) -> None:
    """List the deployed applications with their pipelines and releases.

    Example: liminal list --format json
    """
    from liminal.deploy.install import deployed
    from liminal.report import deploy as report

    folder = _dags(dags, find_here())
    found = deployed(folder)
    if format_ == "json":
        write_data(report.deployed_data(found))
        return
    for line in report.deployed(found):
        echo(line)
    if not found:
        say(f'nothing is deployed in "{folder}"')


@click.command()
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

    here, named = find_here(), path_of(path, path_option)
    folder = _dags(dags, here)
    known = {one.app for one in install.deployed(folder)}
    is_name = named in known and not os.path.lexists(named)
    apps = {named} if is_name else {app.name for app in applications(named, here)}
    changes = install.delete(folder, apps, waiting=_tell_waiting(folder))
    if clean:
        for app in sorted(apps):
            remove_tree(here.home.runs / app)
    if format_ == "json":
        write_data(report.changes_data(changes))
        return
    for line in report.changes(changes, colour=colours(sys.stdout)):
        echo(line)
    if not changes:
        say(f'none of {", ".join(sorted(apps))} is deployed in "{folder}"')


def _dags(named: str | None, here: commands.Here) -> Path:
    """The DAGs folder; that of our own home is made for its owner only."""
    from liminal.files import make_private_folder

    if named:
        return Path(named).expanduser().absolute()
    make_private_folder(here.home.path)
    return here.home.dags


def _tell_waiting(folder: Path) -> Callable[[Holder], None]:
    return lambda holder: say(
        f'waiting for process {holder.pid} on {holder.host}, which changes "{folder}"'
    )
