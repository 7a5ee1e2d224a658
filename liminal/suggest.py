"""The known word that a mistyped one most likely means."""

import difflib
from collections.abc import Sequence

SYNONYMS = {
    "environment": "env_vars",
    "environment_variables": "env_vars",
    "envs": "env_vars",
    "command": "cmd",
    "cron": "schedule",
    "schedule_interval": "schedule",
    "dependencies": "depends_on",
    "upstream": "depends_on",
    "needs": "depends_on",
    "dag": "pipeline",
    "dags": "pipelines",
    "steps": "tasks",
    "timeout": "timeout_minutes",
    "retry_delay": "retry_delay_minutes",
    "extends": "super",
    "tz": "timezone",
    "url": "endpoint",
    "path": "endpoint",
}
"""What people of neighbouring tools write -> our key, where that key is allowed."""


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word that is most likely meant, or None when none is close."""
    for candidate in difflib.get_close_matches(word, [*known, *SYNONYMS], n=3, cutoff=0.75):
        if candidate in known:
            return candidate
        if SYNONYMS[candidate] in known:
            return SYNONYMS[candidate]
    return None
