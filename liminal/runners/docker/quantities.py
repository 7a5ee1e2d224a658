"""Amounts as Kubernetes and Docker write them, as the numbers that an engine takes."""

import re
from decimal import Decimal

_KUBERNETES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{unit: Decimal(1000) ** (power + 1) for power, unit in enumerate("kMGTPE")},
    **{f"{unit}i": Decimal(1024) ** (power + 1) for power, unit in enumerate("KMGTPE")},
}
_DOCKER = {unit: Decimal(1024) ** power for power, unit in enumerate("bkmgt")}

_AMOUNT = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(e[+-]?\d{1,2})?\s*([a-zA-Z]{0,2})")


def nano_cpus(written: str) -> int:
    """Billionths of a processor, of ``500m`` or ``1.5``.

    Raises:
        ValueError: it is no amount of processors.
    """
    return int(_amount(written, _KUBERNETES) * 10**9)


def memory_bytes(written: str) -> int:
    """Bytes, of ``2Gi``, ``512M`` or ``1e9``.

    Source: Kubernetes, "Resource units": ``m`` is a thousandth also here.

    Raises:
        ValueError: it is no amount of memory.
    """
    return int(_amount(written, _KUBERNETES))


def docker_bytes(written: str) -> int:
    """Bytes, of ``2g``, ``512m`` or ``1073741824``, as Docker reads them; ``2Gi`` too.

    Raises:
        ValueError: it is no amount of memory.
    """
    text = written.strip().lower().removesuffix("ib")
    text = text[:-1] if re.search(r"[kmgt][bi]$", text) else text
    return int(_amount(text, {**_DOCKER, "": Decimal(1)}))


def _amount(written: str, units: dict[str, Decimal]) -> Decimal:
    found = _AMOUNT.fullmatch(written.strip())
    if found is None or found[3] not in units:
        raise ValueError(f'"{written}" is no amount')
    return Decimal(found[1] + (found[2] or "")) * units[found[3]]
