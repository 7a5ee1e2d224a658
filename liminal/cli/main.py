"""The command line: what happened becomes an exit status, in one place.

Whatever a command needs is imported inside it, so that ``liminal --help`` imports only click.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from liminal import __version__
from liminal.cli import checking, deploying, images, running, server
from liminal.cli.console import ReaderGone, complain, say
from liminal.errors import Interrupted, LiminalError, UsageError

BUG_REPORT = "this is a bug of Liminal; please report it with the lines above"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits: the one place that maps what happened to a status."""
    try:
        status = _status(arguments)
    except ReaderGone:
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
        complain(problem)
        return problem.exit_code
    except click.ClickException as problem:
        problem.show()
        return UsageError.exit_code
    except (KeyboardInterrupt, click.Abort):
        say("interrupted")
        return Interrupted.exit_code
    except ReaderGone:
        raise
    except Exception:  # the one handler for bugs
        say(traceback.format_exc())
        say(BUG_REPORT)
        return 1
    return result if isinstance(result, int) else 0


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, prog_name="liminal", message="%(prog)s %(version)s")
def cli() -> None:
    """From one liminal.yml to images, Airflow DAGs and HTTP services.

    Begin with "liminal init my_project".
    """


for _command in (
    *(checking.init, checking.validate, checking.show, checking.graph, checking.schema),
    *(images.build, images.prune, running.run, running.serve),
    *(deploying.deploy, deploying.rollback, deploying.list_, deploying.delete),
    *(server.start, server.stop, server.status, server.trigger, server.logs),
):
    cli.add_command(_command)
