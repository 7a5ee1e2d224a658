"""The commands of images: ``build``, ``prune``."""

from __future__ import annotations

import click

from liminal.cli.console import complain, counted, echo, printable, say
from liminal.cli.options import engine_option, path_of, path_options
from liminal.cli.project import applications, build_told, chosen_engine, find_here


@click.command()
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

    here = find_here()
    images = commands.all_images(applications(path_of(path, path_option), here), names, no_cache)
    opened = commands.open_engine(chosen_engine(engine, here), here)
    with build_told() as tell:
        results = commands.build_images(images, opened, jobs, tell, push=push)
    if format_ == "json":
        echo(report.as_json(results))
    elif not results:
        say("there is nothing to build: no image has a source")
    problems = [result.error for result in results if result.error]
    for problem in problems:
        complain(problem)
    return problems[0].exit_code if problems else 0


@click.command()
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

    here = find_here()
    name = chosen_engine(engine, here)
    removed = commands.open_engine(name, here).prune(time.time(), dry_run=dry_run)
    if not dry_run:
        removed = (*commands.recovered(here, name), *removed)
    for what in removed:
        echo(printable(what))
    say(f"{counted(len(removed), 'thing')} {'would be ' if dry_run else ''}removed")
