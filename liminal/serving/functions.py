"""The user's functions: imported before the first request, and called."""

from __future__ import annotations

import importlib
import inspect
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from .arguments import Argument, BadSignature, argument_of
from .batching import Batcher
from .config import Endpoint
from .problems import Problem, problem_body
from .results import JSON, BadResult, Reply, reply_from

logger = logging.getLogger(__name__)


class LoadError(Exception):
    """A module or function that cannot be loaded; the message is complete, traceback and all."""

    @classmethod
    def in_hook(cls, hook: str, module: str, error: BaseException) -> LoadError:
        """The failure of a module's own `on_start()`."""
        return cls(f'{hook}() of module "{module}" failed\n{_users_traceback(error)}')


@dataclass(frozen=True, slots=True)
class UserFunction:
    """One endpoint's function, ready to be called.

    Attributes:
        call: The result for the positional arguments.
        argument: How it takes a body.
        summary: The first line of its docstring.
    """

    endpoint: Endpoint
    argument: Argument
    call: Callable[..., object]
    summary: str

    def answer(self, body: bytes, request_id: str) -> Reply:
        """The reply to one request; whatever the function does but end its process."""
        try:
            return reply_from(self.call(*self.argument.read(body)))
        except Problem as problem:
            return Reply(problem.status, JSON, problem_body(problem, request_id))
        except BaseException as error:  # sys.exit() too ends one call, not the service
            return self._failure(error, request_id)

    def _failure(self, error: BaseException, request_id: str) -> Reply:
        text = str(error) if isinstance(error, BadResult) else _users_traceback(error)
        logger.error("%s failed, request %s: %s", self.endpoint.endpoint, request_id, text)
        problem = Problem(
            500, "function-failed", f"the function failed; the log has more under {request_id}"
        )
        return Reply(500, JSON, problem_body(problem, request_id))


def load_functions(endpoints: tuple[Endpoint, ...]) -> tuple[UserFunction, ...]:
    """The functions of all endpoints, in their order.

    Raises:
        LoadError: A module cannot be imported, or has not the function.
    """
    return tuple(_load(endpoint) for endpoint in endpoints)


def modules_of(functions: tuple[UserFunction, ...]) -> tuple[ModuleType, ...]:
    """The user's modules, each once, in the order of the endpoints."""
    names = dict.fromkeys(function.endpoint.module for function in functions)
    return tuple(importlib.import_module(name) for name in names)


def _load(endpoint: Endpoint) -> UserFunction:
    place = f'module "{endpoint.module}" of endpoint "{endpoint.endpoint}"'
    try:
        module = importlib.import_module(endpoint.module)
    except BaseException as error:
        raise LoadError(f"{place} cannot be imported\n{_users_traceback(error)}") from error
    function: Any = getattr(module, endpoint.function, None)
    if not callable(function):
        raise LoadError(f'{place} has no function "{endpoint.function}"')
    try:
        argument = argument_of(function, batched=endpoint.batch is not None)
    except BadSignature as error:
        raise LoadError(f'function "{endpoint.function}" in {place} {error}') from error
    summary = (inspect.getdoc(function) or "").partition("\n")[0]
    call = _awaited(function) if inspect.iscoroutinefunction(function) else function
    if endpoint.batch is not None:
        call = Batcher(call, endpoint.batch).call
    return UserFunction(endpoint, argument, call, summary)


def _awaited(function: Callable[..., Any]) -> Callable[..., object]:
    import asyncio  # a tenth of a second, which only few services need

    def call(*arguments: object) -> object:
        return asyncio.run(function(*arguments))

    return call


def _users_traceback(error: BaseException) -> str:
    """The traceback from the user's first line on; our own frames tell a user nothing."""
    plumbing = (str(Path(__file__).parent), str(Path(importlib.__file__)), "<frozen importlib")
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(plumbing):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()
