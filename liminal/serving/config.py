"""`service.json`: what the service is, as the compiler wrote it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

# Long enough for slow models, short enough that a hung call is found.
DEFAULT_REQUEST_TIMEOUT_SECONDS = 60.0
DEFAULT_MAX_BODY_MB = 16.0
# Kubernetes kills a pod 30 s after it asked it to stop; ours ends a little before.
DEFAULT_GRACE_SECONDS = 25.0
# Threads are for calls that wait (a database, another service); they are made when needed only.
DEFAULT_THREADS = 32

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class ConfigError(Exception):
    """Something in service.json that is not as it must be; the message names the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Micro-batching of one endpoint: call with up to `max_size` items, wait `max_wait_ms`."""

    max_size: int
    max_wait_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One path of the service and the user's function behind it."""

    endpoint: str
    module: str
    function: str
    methods: tuple[str, ...] = ("GET", "POST")
    batch: Batch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """The whole service, with every default filled in.

    Attributes:
        workers: Processes that run the user's code.
        threads: Calls at once in each worker.
        request_timeout_seconds: From the request's body to its answer.
        max_body_mb: In units of 1024 * 1024 bytes.
        grace_seconds: For requests in flight after the signal to stop.
    """

    service: str
    endpoints: tuple[Endpoint, ...]
    workers: int
    threads: int
    request_timeout_seconds: float
    max_body_mb: float
    grace_seconds: float


def read_config(path: Path, cpus: int) -> ServiceConfig:
    """The service that a service.json describes.

    Args:
        path: The file.
        cpus: Processors that this container may use: the default number of workers.

    Raises:
        ConfigError: The file cannot be read, or a key is missing, unknown or of the wrong kind.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    fields = _Fields(data, str(path))
    config = ServiceConfig(
        service=fields.take("service", _text),
        endpoints=tuple(
            _endpoint(item, f"{path}: endpoints[{number}]")
            for number, item in enumerate(fields.take("endpoints", _objects))
        ),
        workers=fields.take_or("workers", _count, max(1, cpus)),
        threads=fields.take_or("threads", _count, DEFAULT_THREADS),
        request_timeout_seconds=fields.take_or(
            "request_timeout_seconds", _positive, DEFAULT_REQUEST_TIMEOUT_SECONDS
        ),
        max_body_mb=fields.take_or("max_body_mb", _positive, DEFAULT_MAX_BODY_MB),
        grace_seconds=fields.take_or("grace_seconds", _positive, DEFAULT_GRACE_SECONDS),
    )
    fields.refuse_others()
    _refuse_double_paths(config.endpoints, path)
    return config


def _endpoint(data: object, place: str) -> Endpoint:
    fields = _Fields(data, place)
    batch = fields.take_or("batch", _anything, None)
    endpoint = Endpoint(
        endpoint=fields.take("endpoint", _url_path),
        module=fields.take("module", _text),
        function=fields.take("function", _text),
        methods=fields.take_or("methods", _methods, ("GET", "POST")),
        batch=None if batch is None else _batch(batch, f"{place}.batch"),
    )
    fields.refuse_others()
    return endpoint


def _batch(data: object, place: str) -> Batch:
    fields = _Fields(data, place)
    batch = Batch(
        max_size=fields.take_or("max_size", _count, 32),
        max_wait_ms=fields.take_or("max_wait_ms", _positive, 5.0),
    )
    fields.refuse_others()
    return batch


def _refuse_double_paths(endpoints: tuple[Endpoint, ...], path: Path) -> None:
    paths = [endpoint.endpoint for endpoint in endpoints]
    for endpoint in sorted({item for item in paths if paths.count(item) > 1}):
        raise ConfigError(f'{path}: endpoints: "{endpoint}" is there twice')


_T = TypeVar("_T")


class _Fields:
    """A JSON object whose keys are taken one by one; what is left is unknown."""

    def __init__(self, data: object, place: str) -> None:
        if not isinstance(data, dict):
            raise ConfigError(f"{place}: expected an object")
        self._left: dict[str, object] = dict(data)
        self._place = place

    def take(self, key: str, read: Callable[[object], _T]) -> _T:
        """The value of a key that must be there."""
        if key not in self._left:
            raise ConfigError(f'{self._place}: the key "{key}" is missing')
        try:
            return read(self._left.pop(key))
        except ValueError as error:
            raise ConfigError(f'{self._place}: "{key}": {error}') from error

    def take_or(self, key: str, read: Callable[[object], _T], default: _T) -> _T:
        """The value of a key, or the default where it is missing or null."""
        if self._left.get(key) is None:
            self._left.pop(key, None)
            return default
        return self.take(key, read)

    def refuse_others(self) -> None:
        """Raises ConfigError when a key was not taken."""
        if self._left:
            names = ", ".join(f'"{key}"' for key in sorted(self._left))
            raise ConfigError(f"{self._place}: unknown key {names}")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a text")
    return value


def _url_path(value: object) -> str:
    text = _text(value)
    if not text.startswith("/"):
        raise ValueError(f'expected a path that begins with "/", found "{text}"')
    return text


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"expected a whole number of at least 1, found {json.dumps(value)}")
    return value


def _positive(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e9:
        raise ValueError(f"expected a number above 0, found {json.dumps(value)}")
    return float(value)


def _objects(value: object) -> list[object]:
    if not isinstance(value, list) or not value:
        raise ValueError("expected a list with at least one entry")
    return value


def _methods(value: object) -> tuple[str, ...]:
    names = [_text(name).upper() for name in _objects(value)]
    for name in names:
        if name not in METHODS:
            raise ValueError(f'"{name}" is not one of {", ".join(METHODS)}')
    return tuple(dict.fromkeys(names))


def _anything(value: object) -> object:
    return value
