"""A worker process: imports the user's modules and calls their functions for the front.

Started by the front as `python -m liminal_serving.worker CONFIG DESCRIPTOR`. The descriptor is a
Unix socket: the worker reports on it that it has loaded, then takes a new slot from it for every
thread that the front wants, and ends when the front closes it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from .arguments import argument_of
from .config import read_config
from .functions import LoadError, UserFunction, load_functions, modules_of
from .results import JSON, Reply
from .wire import PING, READY, VERSION, Call, receive_call, send_reply

logger = logging.getLogger(__name__)


def main(arguments: list[str]) -> None:
    """Runs one worker until the front lets go of it."""
    control = socket.socket(fileno=int(arguments[1]))
    # The front decides when a worker ends. Ctrl-C reaches every process of a terminal, and
    # systemd's SIGTERM every process of a service; the calls in flight shall still finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _put_first_on_path(os.getcwd())
    config = read_config(Path(arguments[0]), cpus=1)
    try:
        worker = Worker(load_functions(config.endpoints))
        # After the user's modules, whose own logging.basicConfig() would do nothing after ours.
        logging.basicConfig(
            format="%(levelname)s %(name)s: %(message)s", level=logging.INFO, stream=sys.stderr
        )
        worker.start()
    except LoadError as error:
        _report(control, {"failed": str(error)})
        return
    _report(control, {"loaded": worker.descriptions()})
    worker.serve(control)
    worker.stop()


def _put_first_on_path(folder: str) -> None:
    sys.path[:] = [folder, *(one for one in sys.path if one not in ("", folder))]


def _report(control: socket.socket, fields: dict[str, Any]) -> None:
    # The service was stopped while we loaded.
    with contextlib.suppress(BrokenPipeError):
        control.sendall(json.dumps(fields).encode() + b"\n")


class Worker:
    """The user's functions in one process, and the slots that call them."""

    def __init__(self, functions: tuple[UserFunction, ...]) -> None:
        self._functions = functions
        self._modules = modules_of(functions)

    def start(self) -> None:
        """Calls each module's `on_start()`, if it has one.

        Raises:
            LoadError: One of them failed.
        """
        for module in self._modules:
            try:
                ask(module, "on_start")
            except BaseException as error:
                raise LoadError.in_hook("on_start", module.__name__, error) from error

    def descriptions(self) -> list[dict[str, Any]]:
        """What the documentation says of each endpoint, as plain data in the endpoints' order."""
        return [
            {
                "summary": function.summary,
                "content_type": function.argument.content_type,
                "schema": function.argument.schema,
                "required": function.argument.required,
            }
            for function in self._functions
        ]

    def serve(self, control: socket.socket) -> None:
        """Takes slots from the front, a thread each, until the front closes the control socket."""
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not message:
                return
            for descriptor in descriptors:
                slot = socket.socket(fileno=descriptor)
                threading.Thread(target=self._serve_slot, args=(slot,), daemon=True).start()

    def stop(self) -> None:
        """Calls each module's `on_stop()`, if it has one."""
        for module in reversed(self._modules):
            try:
                ask(module, "on_stop")
            except BaseException:
                logger.exception("on_stop() of module %s failed", module.__name__)

    def answer(self, call: Call) -> Reply:
        """The reply to one call or one of the front's own questions."""
        match call.number:
            case number if number < len(self._functions):
                return self._functions[number].answer(call.body, call.request_id)
            case number if number == READY:
                return self._ready()
            case number if number == VERSION:
                return Reply(200, JSON, json.dumps(self._versions()).encode())
            case number if number == PING:
                return Reply(200, JSON, b"{}")
            case number:
                raise ValueError(f"no endpoint has the number {number}")

    def _serve_slot(self, slot: socket.socket) -> None:
        with slot:
            while (call := receive_call(slot)) is not None:
                try:
                    send_reply(slot, self.answer(call))
                except ConnectionError:
                    return  # the front gave this call up

    def _ready(self) -> Reply:
        """200, or 503 when a module's `ready()` returns something false or raises."""
        for module in self._modules:
            try:
                yes = ask(module, "ready", otherwise=True)
            except BaseException:
                logger.exception("ready() of module %s failed", module.__name__)
                yes = False
            if not yes:
                return Reply(503, JSON, b"{}")
        return Reply(200, JSON, b"{}")

    def _versions(self) -> dict[str, str]:
        """The model's version for each module whose `version()` tells one."""
        versions = {}
        for module in self._modules:
            try:
                version = ask(module, "version")
            except BaseException:
                logger.exception("version() of module %s failed", module.__name__)
                continue
            if isinstance(version, dict):  # as an endpoint for people would say it
                version = version.get("model_version", version.get("version"))
            if isinstance(version, str | int | float):
                versions[module.__name__] = str(version)
        return versions


def ask(module: ModuleType, name: str, otherwise: object = None) -> object:
    """What a module's optional function says when called as an endpoint without a body is.

    Args:
        module: The user's.
        name: The function's name.
        otherwise: The answer for a module without one.
    """
    function = getattr(module, name, None)
    if not callable(function):
        return otherwise
    answer: object = function(*argument_of(function).read(b""))
    return answer


if __name__ == "__main__":
    main(sys.argv[1:])
