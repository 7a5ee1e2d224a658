"""Options and arguments that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from liminal.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])


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


def path_of(argument: str | None, option: str | None) -> str:
    """The project's path, by default the current folder.

    Raises:
        UsageError: both are given, and differ.
    """
    if argument and option and argument != option:
        raise UsageError(f'two paths are given: "{argument}" and "{option}"')
    return argument or option or "."


def path_and_name(words: Sequence[str], option: str | None) -> tuple[str, str | None]:
    """Tells ``[PATH] [NAME]`` apart; a single word may be either."""
    match words:
        case ():
            return path_of(None, option), None
        case (path, name):
            return path_of(path, option), name
        case (word,):
            if _looks_like_path(word) or (option is None and is_project(word)):
                return path_of(word, option), None
            return path_of(None, option), word
    raise UsageError(f"one path and one name at most, not: {' '.join(words)}")


def is_project(word: str) -> bool:
    """Whether it names a folder with a liminal.yml."""
    from liminal.compiler.source import FILE_NAMES

    return any(Path(word, name).is_file() for name in FILE_NAMES)


def _looks_like_path(word: str) -> bool:
    return os.sep in word or word in (".", "..") or word.endswith((".yml", ".yaml"))
