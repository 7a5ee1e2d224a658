"""`python -m liminal_serving --config service.json`: runs a service."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .config import ConfigError, read_config
from .cpus import available_cpus

EXIT_CONFIG = 3


def main(arguments: list[str]) -> int:
    """Runs the service that the arguments name; returns the exit status."""
    parser = argparse.ArgumentParser(prog="liminal_serving", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    options = parser.parse_args(arguments)
    try:
        config = read_config(options.config, available_cpus())
    except ConfigError as error:
        return _fail(str(error), EXIT_CONFIG)
    # Only the workers import from the user's folder: a flask.py there is not our Flask.
    sys.path[:] = [folder for folder in sys.path if folder not in ("", os.getcwd())]
    from .server import EXIT_SERVER, PortTaken, serve

    try:
        return serve(config, options.config.resolve(), options.host, options.port)
    except PortTaken as error:
        return _fail(str(error), EXIT_SERVER)


def _fail(text: str, status: int) -> int:
    sys.stderr.write(f"liminal_serving: {text}\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
