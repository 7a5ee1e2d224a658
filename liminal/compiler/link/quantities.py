"""``resources``: amounts as Kubernetes writes them."""

import re

from liminal.compiler.link.context import Context
from liminal.compiler.nodes import Map

# Source: Kubernetes, apimachinery/pkg/api/resource/quantity.go; negative ones make no sense here.
_QUANTITY = re.compile(r"(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE]\d{1,2})?", re.ASCII)
_SPOKEN = re.compile(r"(?i)(\d+(?:\.\d+)?) ?([kmgtp])(i?)b?", re.ASCII)


def check_resources(entry: Map, context: Context) -> None:
    """Adds an error for each amount that Kubernetes would not read."""
    wanted = entry.mapping("resources")
    for key, example in (("cpu", "500m"), ("memory", "2Gi")):
        amount = wanted.text(key)
        if amount is None or "{{" in amount or _QUANTITY.fullmatch(amount):
            continue
        meant = _meant(amount) if key == "memory" else None
        question = f'; did you mean "{meant}"?' if meant else ""
        message = f'"{key}" cannot be "{amount}"{question}'
        hint = None if meant else f"for example: {example}"
        context.error("bad-value", message, wanted.at(key), hint)


def _meant(amount: str) -> str | None:
    """``2 GB`` as Kubernetes writes it."""
    spoken = _SPOKEN.fullmatch(amount.strip())
    if spoken is None:
        return None
    prefix = spoken[2].upper() + ("i" if spoken[3] else "")
    return spoken[1] + ("k" if prefix == "K" else prefix)
