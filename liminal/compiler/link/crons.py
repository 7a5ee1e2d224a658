"""Cron expressions: whether Airflow takes them, and whether they ever fire."""

import re
from datetime import datetime
from typing import NamedTuple

from liminal.suggest import nearest

PRESETS = (
    "@annually",
    "@continuous",
    "@daily",
    "@hourly",
    "@midnight",
    "@monthly",
    "@once",
    "@quarterly",
    "@weekly",
    "@yearly",
)
"""The words that stand for a schedule.

Source: Airflow 3.3, ``airflow.utils.dates.cron_presets`` and ``DAG.schedule``; `@annually` and
`@midnight` reach croniter, which knows them.
"""

MAX_LENGTH = 200
"""Characters; more than any schedule needs, and little enough that none is slow to judge."""

_FIELDS = (
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31, or L for the last"),
    ("month", "1-12, or jan-dec"),
    ("day of the week", "0-7, or sun-sat"),
)
_FIVE = "five fields: minute, hour, day of the month, month, day of the week"
# Croniter's own extension: a time chosen by hash or at random, another one at each look.
_RANDOM = re.compile(r"(?i)(?:^|[,/(-])[hr](?:$|[,/(-])")
# Any day does; a fixed one gives the same answer at all times.
_SOME_DAY = datetime(2000, 1, 1)


class CronProblem(NamedTuple):
    """What is wrong with a schedule: the parts of a finding."""

    code: str
    message: str
    hint: str | None


class Crons:
    """Judges each distinct expression once in a compilation."""

    def __init__(self) -> None:
        self._judged: dict[str, CronProblem | None] = {}

    def problem(self, expression: str) -> CronProblem | None:
        """What is wrong with the expression, or None when it is a schedule."""
        if expression not in self._judged:
            self._judged[expression] = _judge(expression)
        return self._judged[expression]


def _judge(expression: str) -> CronProblem | None:
    fields = expression.split()
    if len(expression) > MAX_LENGTH:
        message = f"the schedule is {len(expression)} characters long"
        return CronProblem("bad-schedule", message, f"at most {MAX_LENGTH} are allowed")
    if len(fields) == 1:
        return _judge_preset(expression)
    if not fields:
        return CronProblem("bad-schedule", "the schedule is empty", "leave it out to run by hand")
    if len(fields) != len(_FIELDS):
        often = ", so a minute is the shortest time between runs" if len(fields) > 5 else ""
        message = f'the schedule "{expression}" has {len(fields)} fields'
        return CronProblem("bad-schedule", message, f"a cron expression has {_FIVE}{often}")
    return _judge_fields(expression, fields)


def _judge_preset(word: str) -> CronProblem | None:
    if word in PRESETS:
        return None
    meant = nearest(f"@{word.lstrip('@').lower()}", PRESETS)
    question = f'; did you mean "{meant}"?' if meant else ""
    hint = None if meant else f"presets: {', '.join(PRESETS)}; or a cron expression of {_FIVE}"
    return CronProblem("bad-schedule", f'"{word}" is not a schedule{question}', hint)


def _judge_fields(expression: str, fields: list[str]) -> CronProblem | None:
    # Airflow's own parser, so that both take the same; only read where a file has a schedule.
    from croniter import CroniterBadCronError, CroniterBadDateError, croniter

    if _RANDOM.search(" ".join(fields).replace(" ", ",")):
        message = f'the schedule "{expression}" leaves its time to chance'
        return CronProblem("bad-schedule", message, "write numbers in place of H and R")
    try:
        croniter(expression, _SOME_DAY).get_next()
    except CroniterBadDateError:
        hint = "no such day comes, like the 30th of February"
        return CronProblem("never-fires", f'the schedule "{expression}" never fires', hint)
    except (CroniterBadCronError, ValueError, KeyError, IndexError):
        return _judge_each(expression, fields)
    return None


def _judge_each(expression: str, fields: list[str]) -> CronProblem:
    """The first field that croniter refuses by itself, in words."""
    from croniter import croniter

    for index, (field, (name, allowed)) in enumerate(zip(fields, _FIELDS, strict=True)):
        alone = ["*"] * len(_FIELDS)
        alone[index] = field
        if not croniter.is_valid(" ".join(alone)):
            message = f'the schedule "{expression}" has the {name} "{field}"'
            return CronProblem("bad-schedule", message, f"a {name} is {allowed}")
    return CronProblem("bad-schedule", f'"{expression}" is not a schedule', f"expected {_FIVE}")
