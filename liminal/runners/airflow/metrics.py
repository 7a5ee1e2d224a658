"""The tasks `start` and `end`: what a run reports of itself, once, and whatever happened."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from liminal.plan.dag import PipelinePlan
from liminal.plugins import discover
from liminal.runners import Stop
from liminal.runners.airflow.work import plan_of
from liminal.runners.embedded.reporting import report

_BAD = frozenset({"failed", "upstream_failed"})


class MetricsOperator(BaseOperator):
    """Reports that a run begins, or how it ended; no backend can make it fail."""

    ui_color = "#e8f1f8"

    def __init__(self, *, moment: str, fails: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.moment = moment
        self.fails = fails

    def execute(self, context: Any) -> None:
        """Report; then fail if a task has failed and the run would be a success all the same.

        A task with a trigger rule such as ``all_done`` hides from Airflow that one before it
        failed; in pipelines with such a task `fails` says that this one decides.
        """
        plan = plan_of(self)
        if self.moment == "start":
            send(plan, {"JobStarted": 1}, self.log)
            return
        ti = context["ti"]
        states = ti.get_task_states(dag_id=plan.pipeline, run_ids=[ti.run_id])
        bad = sorted(
            task
            for task, state in states.get(ti.run_id, {}).items()
            if state in _BAD and task != self.task_id
        )
        send(plan, _result(context["dag_run"].start_date, success=not bad), self.log)
        if bad and self.fails:
            raise AirflowFailException(f"the run fails because of {', '.join(bad)}")


class ReportTimeout:
    """The DAG's failure callback: a run that is over its time never comes to its `end`."""

    def __init__(self, plan: PipelinePlan) -> None:
        self._plan = plan

    def __call__(self, context: Mapping[str, Any]) -> None:
        """Report the result of a run that timed out; `end` has reported that of any other."""
        if context.get("reason") != "timed_out":
            return
        started = getattr(context.get("dag_run"), "start_date", None)
        send(self._plan, _result(started, success=False), logging.getLogger(__name__))


def _result(started: datetime | None, *, success: bool) -> dict[str, float]:
    now = datetime.now(timezone.utc)
    seconds = (now - started).total_seconds() if started is not None else 0.0
    return {"JobResult": 1 if success else 0, "JobDuration": round(seconds, 3)}


def send(plan: PipelinePlan, metrics: Mapping[str, float], log: Any) -> None:
    """Send the measurements to the pipeline's backends; what they say goes to the log."""

    def output(data: bytes) -> None:
        for line in data.decode("utf-8", "replace").splitlines():
            log.info("%s", line)

    async def reported() -> None:
        await report(metrics, plan, discover(), output, Stop())

    with contextlib.suppress(RuntimeError):  # an event loop that is closed under a hanging backend
        asyncio.run(reported())
