"""The executor's own keys, arguments of Airflow's DockerOperator, as ``liminal run`` takes them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from liminal.model import Deferred, Setting
from liminal.runners.docker.quantities import docker_bytes

HOST_CONFIG = (
    *("network_mode", "shm_size", "dns", "dns_search", "extra_hosts", "cap_add", "ipc_mode"),
    "privileged",
)
"""Keys that the engine takes as they are."""

_TAKEN = frozenset(
    {
        *HOST_CONFIG,
        *("mem_limit", "cpus", "user", "ulimits", "device_requests", "mounts", "labels"),
        *("working_dir", "entrypoint", "hostname", "tty", "private_environment"),
        *("port_bindings", "force_pull"),
    }
)

_WITHOUT_EFFECT = frozenset({"auto_remove", "api_version", "timeout", "mount_tmp_dir", "xcom_all"})
"""Keys that change nothing about the command, so that nobody need hear of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the executor says about its containers.

    Attributes:
        host: keyword arguments of `docker.APIClient.create_host_config`.
        memory: bytes.
        memory_written: the same as the user wrote it.
        cpus: how many processors.
        user: ``UID``, ``UID:GID`` or a name; None where we choose.
        entrypoint: None for the usual one.
        ports: port of the container -> port of this machine.
    """

    host: Mapping[str, Any] = field(default_factory=dict)
    memory: int | None = None
    memory_written: str | None = None
    cpus: float | None = None
    user: str | None = None
    ulimits: tuple[Mapping[str, Any], ...] = ()
    device_requests: tuple[Mapping[str, Any], ...] = ()
    mounts: tuple[Mapping[str, Any], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    env_vars: Mapping[str, str] = field(default_factory=dict)
    working_dir: str | None = None
    entrypoint: tuple[str, ...] | None = None
    hostname: str | None = None
    tty: bool = False
    ports: Mapping[str, Any] = field(default_factory=dict)
    force_pull: bool = False


def read_settings(written: Mapping[str, Setting]) -> Settings:
    """The executor's keys as typed values.

    Raises:
        ValueError: names the key whose value is no such thing.
    """
    for key, value in written.items():
        if _is_deferred(value):
            raise ValueError(f'"{key}" has a placeholder that only Airflow fills in')
    values = {key: _plain(value) for key, value in written.items() if value is not None}
    memory = values.get("mem_limit")
    return Settings(
        host={key: values[key] for key in HOST_CONFIG if key in values},
        memory=None if memory is None else _read(values, "mem_limit", _memory),
        memory_written=None if memory is None else str(memory),
        cpus=_read(values, "cpus", float),
        user=_read(values, "user", str),
        ulimits=_read(values, "ulimits", _maps) or (),
        device_requests=_read(values, "device_requests", _maps) or (),
        mounts=_read(values, "mounts", _maps) or (),
        labels=_read(values, "labels", _pairs) or {},
        env_vars=_read(values, "private_environment", _pairs) or {},
        working_dir=values.get("working_dir"),
        entrypoint=_read(values, "entrypoint", _words),
        hostname=values.get("hostname"),
        tty=bool(values.get("tty", False)),
        ports=values.get("port_bindings", {}),
        force_pull=bool(values.get("force_pull", False)),
    )


def not_taken(written: Mapping[str, Setting]) -> tuple[str, ...]:
    """The keys that mean something to Airflow alone, sorted."""
    return tuple(sorted(written.keys() - _TAKEN - _WITHOUT_EFFECT))


def _is_deferred(value: Setting) -> bool:
    if isinstance(value, Mapping):
        return any(map(_is_deferred, value.values()))
    if isinstance(value, tuple):
        return any(map(_is_deferred, value))
    return isinstance(value, Deferred)


def _plain(value: Setting) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


def _read(values: Mapping[str, Any], key: str, read: Any) -> Any:
    if key not in values:
        return None
    try:
        return read(values[key])
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f'"{key}" cannot be {values[key]!r}') from error


def _memory(value: Any) -> int:
    return docker_bytes(str(value))


def _maps(value: Any) -> tuple[Mapping[str, Any], ...]:
    if not all(isinstance(one, Mapping) for one in value):
        raise TypeError(value)
    return tuple(value)


def _pairs(value: Any) -> Mapping[str, str]:
    """Of a map, or of a list of ``NAME=VALUE`` or ``NAME``."""
    return dict(_each_pair(value))


def _each_pair(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield name, str(one)
        return
    for one in value:
        name, _, rest = one.partition("=")
        yield name, rest


def _words(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(map(str, value))
