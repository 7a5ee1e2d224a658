"""``type: job_start``: reports that a run begins; `start` in the base layer."""

from collections.abc import Mapping
from typing import ClassVar

from liminal.model import Task
from liminal.plugins import Schema
from liminal.steps import ReportMetrics


class JobStart:
    """Reports the metric JobStarted."""

    properties: ClassVar[Mapping[str, Schema]] = {}
    required: ClassVar[tuple[str, ...]] = ()
    container: ClassVar[bool] = False

    def step(self, task: Task) -> ReportMetrics:
        """The report at the beginning of a run."""
        return ReportMetrics(moment="start")
