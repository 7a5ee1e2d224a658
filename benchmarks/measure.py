"""Timing of whole processes and of functions, side by side."""

import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the report.

    Attributes:
        limit: what the figure must not exceed, or None for one that is only told.
    """

    name: str
    value: float
    unit: str
    limit: float | None = None
    details: str = ""

    def __str__(self) -> str:
        verdict = ""
        if self.limit is not None:
            verdict = f"at most {self.limit:g}: {'ok' if self.value <= self.limit else 'MISSED'}"
        return f"{self.name:<58} {self.value:8.2f} {self.unit:<5} {verdict:<20} {self.details}"


def seconds_of(command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> float:
    """The wall time of the command as a whole process."""
    begin = time.perf_counter()
    subprocess.run(command, cwd=cwd, env=dict(environ), check=True, capture_output=True)
    return time.perf_counter() - begin


def cpu_seconds_of(command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> float:
    """The time that the command computes, as a whole process with those that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=cwd, env=dict(environ), check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_turns(timed: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, float]:
    """Medians in seconds: each is timed once a round, after one round that does not count.

    In turns, so that what slows the machine for a while slows all of them.
    """
    samples: dict[str, list[float]] = {name: [] for name in timed}
    for index in range(rounds + 1):
        for name, time_one in timed.items():
            seconds = time_one()
            if index:
                samples[name].append(seconds)
    return {name: statistics.median(values) for name, values in samples.items()}
