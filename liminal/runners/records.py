"""What a run writes down for the next one: whole or not at all, should it be killed meanwhile."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ATTEMPT_RECORD = "attempt.json"
"""The file in an attempt's folder that tells the next run what to end and remove, should this one
be killed: runner (which wrote it, and understands the rest)."""


def write_record(path: Path, content: Mapping[str, object]) -> None:
    """Replace the file by the content, as JSON that only its owner can read.

    It is not forced to the disk: after a power failure nothing of the run lives, and waiting for
    the disk would cost more than a short task takes.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    new = path.with_name(f".{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(json.dumps(content, indent=1), "utf-8")
    new.replace(path)


def read_record(path: Path) -> dict[str, Any]:
    """The content of the file; empty where there is none, or it is damaged."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
