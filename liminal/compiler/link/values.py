"""Document values -> the frozen values of the model."""

from collections.abc import Mapping
from types import MappingProxyType

from liminal.compiler.nodes import Map, Seq, Value
from liminal.compiler.variables import text
from liminal.model import Resources, Setting, Text


def setting(entry: Map, key: str) -> Setting:
    """The value under the key as frozen plain data; strings keep their placeholders for the run."""
    return frozen(entry[key])


def frozen(value: Value) -> Setting:
    """Mappings and lists that cannot change any more."""
    if isinstance(value, Map):
        return MappingProxyType({key: frozen(item) for key, item in value.items()})
    if isinstance(value, Seq):
        return tuple(frozen(item) for item in value)
    if isinstance(value, str):
        return text(value)
    return value


def env_vars(entry: Map) -> dict[str, Text]:
    """The entry's environment variables, as they are written."""
    return {name: text(value) for name, value in entry.mapping("env_vars").texts()}


def known_env_vars(entry: Map) -> dict[str, str]:
    """The environment variables of something that has no run: all values are known."""
    return dict(entry.mapping("env_vars").texts())


def strings(entry: Map, key: str) -> tuple[str, ...]:
    """The list under the key, as strings."""
    return tuple(value for value, _ in entry.sequence(key).texts())


def resources(entry: Map) -> Resources:
    """The requests and limits under ``resources``."""
    wanted = entry.mapping("resources")
    if not wanted:
        return _NO_RESOURCES
    return Resources(
        cpu=wanted.text("cpu"), memory=wanted.text("memory"), gpu=wanted.integer("gpu")
    )


def settings(entry: Map, keys: Mapping[str, object]) -> dict[str, Setting]:
    """Those of the keys that the entry has."""
    return {key: setting(entry, key) for key in keys if key in entry}


_NO_RESOURCES = Resources()
