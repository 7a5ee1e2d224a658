"""The commands: parse options, call one function, report, exit."""

from liminal.cli.main import main

__all__ = ["main"]
