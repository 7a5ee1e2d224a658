"""``type: job_end``: reports how a run ended; `end` in the base layer."""

from collections.abc import Mapping
from typing import ClassVar

from liminal.model import Task
from liminal.plugins import Schema
from liminal.steps import ReportMetrics


class JobEnd:
    """Reports the metrics JobResult and JobDuration."""

    properties: ClassVar[Mapping[str, Schema]] = {}
    required: ClassVar[tuple[str, ...]] = ()
    container: ClassVar[bool] = False

    def step(self, task: Task) -> ReportMetrics:
        """The report at the end of a run."""
        return ReportMetrics(moment="end")
