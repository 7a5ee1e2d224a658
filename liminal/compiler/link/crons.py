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

MAX_LONG_LOOKS = 500
"""Distinct expressions whose next run is computed: no project has more, but a hostile file may."""

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
_NUMBERS = re.compile(r"[\d*,/-]+", re.ASCII)
_SHORTEST_MONTH = 28
# Any day does; a fixed one gives the same answer at all times.
_SOME_DAY = datetime(2000, 1, 1)


class CronProblem(NamedTuple):
    """What is wrong with a schedule: the parts of a finding."""

    code: str
    message: str
    hint: str | None


class Crons:
    """Judges each distinct expression once in a compilation, and in it each distinct field."""

    def __init__(self) -> None:
        self._judged: dict[str, CronProblem | None] = {}
        self._fields: dict[tuple[int, str], bool] = {}
        self._long_looks = 0

    def problem(self, expression: str) -> CronProblem | None:
        """What is wrong with the expression, or None when it is a schedule."""
        if expression not in self._judged:
            self._judged[expression] = self._judge(expression)
        return self._judged[expression]

    def _judge(self, expression: str) -> CronProblem | None:
        fields = expression.split()
        if len(expression) > MAX_LENGTH:
            message = f"the schedule is {len(expression)} characters long"
            return _bad(message, f"at most {MAX_LENGTH} are allowed")
        if len(fields) == 1:
            return _judge_preset(expression)
        if not fields:
            return _bad("the schedule is empty", "leave it out to run by hand")
        if len(fields) != len(_FIELDS):
            often = ", so a minute is the shortest time between runs" if len(fields) > 5 else ""
            message = f'the schedule "{expression}" has {len(fields)} fields'
            return _bad(message, f"a cron expression has {_FIVE}{often}")
        if _RANDOM.search(",".join(fields)):
            message = f'the schedule "{expression}" leaves its time to chance'
            return _bad(message, "write numbers in place of H and R")
        return self._judge_fields(expression, fields)

    def _judge_fields(self, expression: str, fields: list[str]) -> CronProblem | None:
        for index, (field, (name, allowed)) in enumerate(zip(fields, _FIELDS, strict=True)):
            if not self._is_field(index, field):
                message = f'the schedule "{expression}" has the {name} "{field}"'
                return _bad(message, f"allowed: {allowed}")
        if _is_common(fields):
            return None
        self._long_looks += 1
        if self._long_looks > MAX_LONG_LOOKS:
            message = "there are more unusual schedules than can be looked at"
            return _bad(message, f"at most {MAX_LONG_LOOKS} that name days late in a month")
        return _judge_next_run(expression)

    def _is_field(self, index: int, field: str) -> bool:
        """Whether Airflow's own parser takes the field, so that both take the same."""
        key = (index, field)
        if key not in self._fields:
            from croniter import croniter  # only read where a file has a schedule

            alone = ["*"] * len(_FIELDS)
            alone[index] = field
            self._fields[key] = croniter.is_valid(" ".join(alone))
        return self._fields[key]


def _bad(message: str, hint: str | None) -> CronProblem:
    return CronProblem(code="bad-schedule", message=message, hint=hint)


def _judge_preset(word: str) -> CronProblem | None:
    if word in PRESETS:
        return None
    meant = nearest(f"@{word.lstrip('@').lower()}", PRESETS)
    question = f'; did you mean "{meant}"?' if meant else ""
    hint = None if meant else f"presets: {', '.join(PRESETS)}; or a cron expression of {_FIVE}"
    return _bad(f'"{word}" is not a schedule{question}', hint)


def _is_common(fields: list[str]) -> bool:
    """Whether it is plain that it fires: of numbers only, on days that each month has."""
    if not all(map(_NUMBERS.fullmatch, fields)):
        return False
    return all(int(day) <= _SHORTEST_MONTH for day in re.findall(r"\d+", fields[2]))


def _judge_next_run(expression: str) -> CronProblem | None:
    from croniter import CroniterBadCronError, CroniterBadDateError, croniter

    try:
        croniter(expression, _SOME_DAY).get_next()
    except CroniterBadDateError:
        message = f'the schedule "{expression}" never fires'
        hint = "no such day comes, like the 30th of February"
        return CronProblem(code="never-fires", message=message, hint=hint)
    except (CroniterBadCronError, ValueError, KeyError, IndexError):
        return _bad(f'"{expression}" is not a schedule', f"expected {_FIVE}")
    return None
