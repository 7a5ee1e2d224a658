"""The operators of container tasks: a job that outlives the worker which began it."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.bases.resumablejobmixin import ResumableJobMixin
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from liminal.runners.airflow.scope import env_of, evaluated, scope_of
from liminal.runners.airflow.work import plan_of, task_of
from liminal.runners.embedded.environment import environment
from liminal.runners.embedded.outputs import BadOutputs, parse_outputs
from liminal.runners.embedded.values import Unresolved, holds, resolve_command
from liminal.runners.jobs import Ended, Job, JobSpec, home_of, job_at, submit
from liminal.steps import RunCommand

NO_NEXT_TRY_SECONDS = 60.0
"""How long a task's last try runs on when its worker is gone."""

NEXT_TRY_SECONDS = 30 * 60.0
"""How long Airflow may take to notice that a worker is gone, and to find another; its own limit
(`scheduler.task_instance_heartbeat_timeout`) is 5 minutes where nobody has set it."""

ELSEWHERE_SECONDS = 30.0
"""The same where the next try may be another machine's, which cannot take the job up: short, so
that it is over when that machine begins,"""

OVER_SECONDS = ELSEWHERE_SECONDS + 8.0
"""which waits for that long: the job looks every 2 seconds, and its command may take 4 to end."""

RUNNING, ENDED, GONE = "running", "ended", "gone"


class ContainerOperator(ResumableJobMixin, BaseOperator):
    """Runs the command of its task by the launcher of its executor's type.

    Attributes:
        command: as the file has it, and once it is rendered as the shell gets it.
        image: the image's name.
        copy: the number of the copy, of a task that has several.
        is_plain: whether each argument is an attribute of the same name and nothing more, so that
            `liminal.runners.airflow.cloning` may copy it.
    """

    template_fields = ("command", "image")
    template_fields_renderers: ClassVar[dict[str, str]] = {"command": "bash"}
    external_id_key = "liminal_job"
    ui_color = "#e6f5e9"
    is_plain = True
    runner: ClassVar[str]

    def __init__(self, *, command: str, image: str, copy: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.command = command
        self.image = image
        self.copy = copy
        self._spec: JobSpec | None = None
        self._skip: str | None = None
        self._job: Job | None = None
        self._result: str | None = None

    def _do_render_template_fields(
        self, parent: Any, template_fields: Any, context: Any, jinja_env: Any, seen_oids: Any
    ) -> None:
        """Give the placeholders their values: ours, and by Airflow's templates what is not ours."""
        env = jinja_env or self.get_template_env()
        plan, task = plan_of(self), task_of(self)
        scope = scope_of(
            plan,
            task,
            self.copy,
            context,
            lambda text: evaluated(lambda one: env.from_string(one).render(context), text),
        )
        ti = context["ti"]
        try:
            if task.when is not None and not holds(task.when, scope):
                self._skip = "its condition is false"
                return
            if not isinstance(task.step, RunCommand) or task.container is None:
                raise TypeError(task.step)
            self.command = resolve_command(task.step.command, scope)
            env_vars = environment(plan, task, self.copy, scope, env_of(scope), ti.run_id)
        except Unresolved as problem:
            raise AirflowFailException(str(problem)) from problem
        self._spec = JobSpec(
            key=(plan.pipeline, ti.run_id, task.name, str(self.copy)),
            runner=self.runner,
            task=task,
            copy=self.copy if len(task.copies) > 1 else None,
            number=ti.try_number,
            command=self.command,
            env_vars={**env_vars, "LIMINAL_TRY": str(ti.try_number)},
            patience_seconds=self._patience_seconds(ti),
        )

    def _patience_seconds(self, ti: Any) -> float:
        """How long the job may run without a worker: until Airflow's next try, if there is one."""
        if ti.try_number > ti.max_tries:
            return NO_NEXT_TRY_SECONDS
        if not _is_one_machine():
            return ELSEWHERE_SECONDS
        return NEXT_TRY_SECONDS + 2 * self.retry_delay.total_seconds()

    def execute(self, context: Any) -> Any:
        """Run it to its end; the outputs go to XCom."""
        if self._skip is not None:
            raise AirflowSkipException(self._skip)
        return self.execute_resumable(context)

    def submit_job(self, context: Any) -> dict[str, Any]:
        """Start the job, or take up the one that a killed worker began and could not tell of."""
        if self._spec is None:
            raise TypeError("not rendered")
        self._job = submit(self._spec, home_of())
        if self._job.taken_up:
            self.log.info("the attempt before this one still runs, and is taken up again")
        return {"folder": str(self._job.folder), "host": self._job.host}

    def get_job_status(self, external_id: Any, context: Any) -> str:
        """Whether the job runs, or has ended, and its result is still there."""
        job = job_at(external_id)
        if job is None:
            self._wait_for_another_machine(external_id)
            return GONE
        if job.lives():
            return RUNNING
        return ENDED if job.ended() is not None else GONE

    def _wait_for_another_machine(self, external_id: Any) -> None:
        """Until what the try before this one began has ended: it must not run twice at once."""
        host = external_id.get("host")
        if host == os.uname().nodename:
            return
        self.log.warning(
            "the try before this one ran on %s, and its end is not known: this one begins in %d s, "
            "when that has ended if it still ran",
            host,
            OVER_SECONDS,
        )
        time.sleep(OVER_SECONDS)

    def is_job_active(self, status: str) -> bool:
        """Whether there is something to wait for, or to read."""
        return status in (RUNNING, ENDED)

    def is_job_succeeded(self, status: str) -> bool:
        """Never known before its end is read, which `poll_until_complete` does."""
        return False

    def poll_until_complete(self, external_id: Any, context: Any) -> Any:
        """Log what the job writes until it ends, and hand on what it wrote for others.

        Raises:
            AirflowException: it failed; says why in plain words.
        """
        job = self._job = self._job or job_at(external_id)
        if job is None:
            raise AirflowException("its job is gone")
        line = ""
        has_worker = _worker()
        for line in job.follow(has_worker):
            self.log.info("%s", line)
        if not has_worker():
            # Nobody would hear how it ended: that is for the next try, which reads it all.
            self._job = None
            raise AirflowException("the task's worker was killed")
        ended = job.ended()
        if ended is None:
            left = job.recover()
            self._job = None
            _forget(context)
            words = f"; {'; '.join(left)}" if left else ""
            raise AirflowException(f"what watched over the task was killed{words}")
        for note in ended.notes:
            self.log.warning("%s", note)
        self._hand_on(ended, context)
        # The last thing, so that an attempt after this one finds the result rather than nothing.
        job.remove()
        self._job = None
        self._result = line if task_of(self).do_xcom_push else None
        return self._result

    def _hand_on(self, ended: Ended, context: Any) -> None:
        """Each output as an XCom of its own; what is wrong with the job ends it for good."""
        outputs: Mapping[str, str] = {}
        reason, declared = ended.reason, task_of(self).outputs
        if reason is None and declared:
            try:
                outputs = parse_outputs(ended.outputs, declared)
            except BadOutputs as problem:
                reason = str(problem)
        if reason is not None:
            if self._job is not None:
                self._job.remove()
            self._job = None
            _forget(context)
            raise (AirflowFailException if ended.hopeless else AirflowException)(reason)
        for key, value in outputs.items():
            context["ti"].xcom_push(key=key, value=value)

    def get_job_result(self, external_id: Any, context: Any) -> Any:
        """The last line of the log, where that is asked for."""
        return self._result

    def on_kill(self) -> None:
        """End what runs; it ends in good time also if this process is killed meanwhile."""
        if self._job is not None:
            self._job.stop()


def _is_one_machine() -> bool:
    """Whether all tries of a task are run by the machine that this one is run by."""
    return str(conf.get("core", "executor", fallback="")) == "LocalExecutor"


def _forget(context: Any) -> None:
    """The job has ended and that is known: the next try, wherever it is, need not look for it."""
    store = context.get("task_state_store")
    if store is not None:
        store.delete(ContainerOperator.external_id_key)


def _worker() -> Callable[[], bool]:
    """Tells whether the worker that minds this task still lives.

    Source: Airflow 3.3, sdk/execution_time: the supervisor forks the task's process, which lives
    on when it is killed. `dag.test` has none, and may outlive the shell that it was begun in.
    """
    from airflow.sdk.execution_time import task_runner

    if getattr(getattr(task_runner, "SUPERVISOR_COMMS", None), "socket", None) is None:
        return lambda: True
    parent = os.getppid()
    return lambda: os.getppid() == parent


class LocalOperator(ContainerOperator):
    """Runs the command as a process of the worker's machine."""

    runner = "local"


class DockerOperator(ContainerOperator):
    """Runs the command in a container of the worker's Docker engine."""

    runner = "docker"
