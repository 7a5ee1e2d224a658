"""What is made sure of before anything runs: all that can be known to be wrong, at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from liminal.errors import RunError, UsageError
from liminal.home import Home
from liminal.plan.dag import PipelinePlan, TaskPlan
from liminal.plugins import PluginError, Plugins, UnknownType
from liminal.runners import Launcher, LauncherType, Machine, Work
from liminal.runners.embedded.folder import earlier_runs
from liminal.runners.embedded.macros import macros
from liminal.runners.embedded.outputs import output_names, read_outputs
from liminal.runners.embedded.selection import select, upstream
from liminal.runners.embedded.values import Scope, placeholders, unresolved, used
from liminal.steps import CallOperator, ReportMetrics, RunCommand
from liminal.suggest import nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asks for.

    Attributes:
        task: run only this one.
        from_task: run this one and all that come after it.
        variables: ``--var``: name -> value.
        parallel: how many tasks may run at a time; None for as many as there are processors, but
            at least two.
        now: the logical date of the run, with its time zone.
    """

    now: datetime
    task: str | None = None
    from_task: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    parallel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A run that may begin.

    Attributes:
        tasks: those that were selected, in the order of the plan.
        launchers: task -> what runs its attempts.
        earlier: task that is not selected -> ``TASK.KEY`` -> what it wrote in an earlier run.
    """

    plan: PipelinePlan
    request: Request
    machine: Machine
    plugins: Plugins
    tasks: tuple[TaskPlan, ...]
    launchers: Mapping[str, Launcher]
    earlier: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The sources of placeholders that all tasks of a run share."""

    plan: PipelinePlan
    supplied: Mapping[str, str]
    environ: Mapping[str, str]
    macros: Mapping[str, str]

    def scope(
        self,
        task: TaskPlan,
        copy: Mapping[str, str],
        outputs: Mapping[str, str],
        pending: frozenset[str] = frozenset(),
    ) -> Scope:
        """Where the placeholders of one copy of a task get their values from."""
        return Scope(
            supplied=self.supplied,
            copy=copy,
            task=task.variables,
            layer=self.plan.variables,
            params=self.plan.params,
            environ=self.environ,
            macros=self.macros,
            outputs=outputs,
            pending=pending,
        )


def values_of(
    plan: PipelinePlan, request: Request, environ: Mapping[str, str], run_id: str
) -> Values:
    """The sources of placeholders of a run."""
    return Values(
        plan=plan,
        supplied=request.variables,
        environ=environ,
        macros=macros(request.now, run_id),
    )


def chosen(plan: PipelinePlan, request: Request) -> tuple[TaskPlan, ...]:
    """The tasks that the request selects.

    Raises:
        UsageError: it names a task that does not exist.
    """
    return select(plan, task=request.task, from_task=request.from_task)


def earlier_outputs(
    home: Home, plan: PipelinePlan, tasks: Sequence[TaskPlan], tell: Callable[[str], None]
) -> Mapping[str, Mapping[str, str]]:
    """What the tasks that are not selected wrote in the latest run that has it: by task.

    Args:
        home: where runs are kept.
        plan: the pipeline.
        tasks: those that are selected.
        tell: takes, for each of the others, the words that say which run that was.
    """
    selected = {task.name for task in tasks}
    wanted = [task for task in plan.tasks if task.outputs and task.name not in selected]
    runs = earlier_runs(home, plan.app, plan.pipeline) if wanted else ()
    found: dict[str, Mapping[str, str]] = {}
    for task in wanted:
        names = set(output_names([task]))
        for run in runs:
            values = read_outputs(run, task.name)
            if values is not None and names <= values.keys():
                found[task.name] = values
                shown = ", ".join(f"{key}={value}" for key, value in sorted(values.items()))
                tell(f'task "{task.name}" is not run; its outputs of run {run.name}: {shown}')
                break
    return found


def check_placeholders(
    plan: PipelinePlan,
    tasks: Sequence[TaskPlan],
    values: Values,
    earlier: Mapping[str, Mapping[str, str]],
) -> None:
    """Make sure that each placeholder of each task has a value, or will have one.

    Raises:
        RunError: names each task and placeholder where that is not so.
    """
    outputs = flat(earlier)
    selected = {task.name for task in tasks}
    found: list[str] = []
    for task in tasks:
        before = upstream(plan.tasks, task.name)
        pending = frozenset(
            output_names(one for one in plan.tasks if one.name in before & selected)
        )
        for copy in task.copies:
            scope = values.scope(task, copy, outputs, pending)
            for problem in unresolved(task, scope):
                found.append(f'task "{task.name}": {problem}')
    if not found:
        return
    partial = len(tasks) < len(plan.tasks) and any("{{ tasks." in line for line in found)
    raise RunError(
        "\n".join(dict.fromkeys(found)),
        hint="run the whole pipeline once, so that the outputs of earlier tasks are known"
        if partial
        else "give a value with --var NAME=VALUE, or under variables",
    )


def flat(by_task: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """``TASK.KEY`` -> value, of all the tasks."""
    return {name: value for values in by_task.values() for name, value in values.items()}


def check_variables(plan: PipelinePlan, request: Request) -> None:
    """Make sure that the pipeline asks for each ``--var``: a misspelt one would change nothing.

    Raises:
        UsageError: it does not ask for one of them.
    """
    problems = list(_unused_variables(plan, request))
    if problems:
        raise UsageError("\n".join(problems))


def _unused_variables(plan: PipelinePlan, request: Request) -> Iterator[str]:
    known = {*plan.variables, *plan.params, "env"}
    for text in plan.variables.values():
        known |= placeholders(text)
    for task in plan.tasks:
        known |= {*used(task), *task.variables, *(name for copy in task.copies for name in copy)}
    known |= {name.rpartition("conf.")[2] for name in known if name.startswith("dag_run.conf.")}
    known |= {name.removeprefix("params.") for name in known}
    for name in sorted(request.variables.keys() - known):
        near = nearest(name, sorted(known))
        suggestion = f'; did you mean "{near}"?' if near else ""
        yield f'nothing in the pipeline uses --var "{name}"{suggestion}'


def find_launchers(
    tasks: Sequence[TaskPlan], machine: Machine, plugins: Plugins, tell: Callable[[str], None]
) -> Mapping[str, Launcher]:
    """Task -> what runs its attempts, ready to do so; none for tasks that report metrics.

    Args:
        tasks: those that are selected.
        machine: where they will run.
        plugins: the types that are installed.
        tell: takes what the user should know before the run begins.

    Raises:
        RunError: a task cannot run on this machine.
    """
    by_executor: dict[str, list[TaskPlan]] = {}
    found: list[str] = []
    for task in tasks:
        if isinstance(task.step, RunCommand):
            by_executor.setdefault(task.executor or machine.engine, []).append(task)
        elif isinstance(task.step, CallOperator):
            found.append(f'task "{task.name}" runs on Airflow only: it is of type "{task.type}"')
        elif not isinstance(task.step, ReportMetrics):  # pragma: no cover - the union is closed
            raise TypeError(task.step)
    types, problems = _launcher_types(by_executor, plugins)
    found += problems
    if found:
        raise RunError("\n".join(found), hint="take other tasks with --task or --from")
    launchers: dict[str, Launcher] = {}
    try:
        for executor, its_tasks in by_executor.items():
            works = [work_of(task) for task in its_tasks]
            launcher = types[executor].prepare(works, machine, tell)
            launchers |= {task.name: launcher for task in its_tasks}
    except BaseException:
        close_all(launchers)
        raise
    return launchers


def _launcher_types(
    by_executor: Mapping[str, Sequence[TaskPlan]], plugins: Plugins
) -> tuple[Mapping[str, LauncherType], list[str]]:
    """Executor type -> what launches its tasks; and why others have none."""
    types: dict[str, LauncherType] = {}
    found: list[str] = []
    for executor, its_tasks in by_executor.items():
        try:
            types[executor] = cast(LauncherType, plugins.load("liminal.runners", executor))
        except UnknownType:
            found += [
                f'task "{task.name}" runs on Airflow only: its executor is of type "{executor}"'
                for task in its_tasks
            ]
        except PluginError as problem:
            found.append(str(problem))
    return types, found


def close_all(launchers: Mapping[str, Launcher]) -> None:
    """Let all of them go."""
    for launcher in set(launchers.values()):
        launcher.close()


def work_of(task: TaskPlan) -> Work:
    """What a launcher needs to know of the task."""
    if task.container is None:  # `find_launchers` takes RunCommand steps only
        raise TypeError(task.step)
    return Work(
        kind="task",
        name=task.name,
        container=task.container,
        settings=task.executor_settings,
        outputs=bool(task.outputs),
    )
