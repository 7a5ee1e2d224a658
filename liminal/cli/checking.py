"""The commands that look at a project: ``init``, ``validate``, ``show``, ``graph``, ``schema``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from liminal.cli.console import colours, counted, echo, is_ascii, say
from liminal.cli.options import path_and_name, path_of, path_options
from liminal.cli.project import applications, compiled, find_here, schema_text
from liminal.errors import ConfigurationError


@click.command()
@click.argument("name", required=False)
@click.option("--template", default="iris", show_default=True, help="What to begin with.")
def init(name: str | None, template: str) -> None:
    """Write a small working project into the folder NAME; never overwrites.

    Example: liminal init my_project
    """
    from liminal.templates import copy_template

    folder = Path(name or template)
    files = copy_template(template, folder, schema_text(find_here()))
    for file in files:
        say(f"wrote {file}")
    go = "" if folder.resolve() == Path.cwd() else f'"cd {folder}" and '
    say(f'\nNext: {go}"liminal run"')


@click.command()
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

    here = find_here()
    checked = check_path(path_of(path, path_option), here.environ, here.plugins, here.home.verdicts)
    found = checked.findings
    writers = {"json": findings.as_json, "github": findings.as_github, "sarif": findings.as_sarif}
    if format_ == "text":
        text = findings.as_text(found, colours(sys.stdout))
    else:
        text = writers[format_](found)
    if text:
        echo(text)
    fatal = (Severity.ERROR, Severity.WARNING) if strict else (Severity.ERROR,)
    failed = any(finding.severity in fatal for finding in found)
    applications = counted(checked.applications, "application")
    say(findings.summary(found) or f"{applications}, no findings")
    return ConfigurationError.exit_code if failed else 0


@click.command()
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

    here = find_here()
    compilation = compiled(path_of(path, path_option), here)
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
    echo((stages.as_json if format_ == "json" else stages.as_yaml)(value).rstrip())


@click.command()
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

    path, name = path_and_name(words, path_option)
    here = find_here()
    picture = drawn(commands.find_pipeline(applications(path, here), name, here.plugins))
    match format_:
        case "mermaid":
            from liminal.report.graph_mermaid import as_mermaid

            echo(as_mermaid(picture))
        case "svg":
            from liminal.report.graph_svg import as_svg

            echo(as_svg(picture).rstrip())
        case _:
            from liminal.report.graph_text import as_text

            echo(as_text(picture, ascii_only=is_ascii(sys.stdout)))


@click.command()
def schema() -> None:
    """Print the JSON Schema of a liminal.yml, for editors.

    Example: liminal schema > liminal.schema.json
    """
    echo(schema_text(find_here()), nl=False)
