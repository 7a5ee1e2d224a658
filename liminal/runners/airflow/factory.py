"""A compiled pipeline -> Airflow's DAG. Each operator is made of a spec by one short function."""

import importlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, Param

from liminal.model import AssetSchedule, Setting
from liminal.plan.dag import PipelinePlan
from liminal.plan.serial import CompiledPipeline, Source
from liminal.runners.airflow.cloning import clone_of, connect
from liminal.runners.airflow.metrics import ReportTimeout
from liminal.runners.airflow.resolving import resolving
from liminal.runners.airflow.specs import NoOperator, operator_spec, shape_of
from liminal.runners.airflow.work import PLAN
from liminal.runners.embedded.params import plain_data
from liminal.steps import OperatorSpec

_FENCE = re.compile("`{3,}")


class Unbuildable(Exception):
    """Airflow does not take the pipeline, or one of its tasks; a finding with its place."""

    def __init__(self, source: Source, what: str, problem: Exception) -> None:
        super().__init__(f"{source.origin}: error[airflow]: {what}: {problem}")


def dag_of(compiled: CompiledPipeline) -> DAG:
    """The DAG.

    Raises:
        Unbuildable: says where in the user's file the reason is.
    """
    plan = compiled.plan
    try:
        dag = _empty_dag(compiled)
    except Exception as problem:  # whatever Airflow has against it is told with its place
        raise Unbuildable(compiled.source, f'pipeline "{plan.pipeline}"', problem) from problem
    shape = shape_of(plan)
    made: dict[str, Any] = {}
    phases: dict[str, str | None] = {}
    maker = _Maker(dag)
    for task in plan.tasks:
        source = compiled.tasks.get(task.name, compiled.source)
        try:
            spec = operator_spec(task, compiled.operators.get, shape)
            made[task.name] = maker.operator(spec, source.text)
            phases[task.name] = spec.phase
        except NoOperator as problem:
            raise Unbuildable(source, f'task "{task.name}"', problem) from problem
        except Exception as problem:  # the same
            raise Unbuildable(source, f'task "{task.name}"', problem) from problem
    for task in plan.tasks:  # last: a copy is made of an operator that has nothing around it yet
        for name in task.depends_on:
            connect(made[name], made[task.name])
    _enclose(phases, made)
    return dag


def _empty_dag(compiled: CompiledPipeline) -> DAG:
    plan = compiled.plan
    zone = pendulum.timezone(plan.timezone)
    others: dict[str, Any] = dict(_limits())
    if plan.end_date is not None:
        others["end_date"] = _moment(plan.end_date, zone)
    if plan.max_active_runs is not None:
        others["max_active_runs"] = plan.max_active_runs
    if plan.timeout_minutes is not None:
        others["dagrun_timeout"] = timedelta(minutes=plan.timeout_minutes)
        others["on_failure_callback"] = ReportTimeout(plan)
    return DAG(
        dag_id=plan.pipeline,
        description=plan.description,
        schedule=_schedule(plan.schedule),
        start_date=_moment(plan.start_date, zone),
        catchup=plan.catchup,
        tags=plan.tags,
        default_args=_default_args(plan),
        params=_params(plan),
        doc_md=_doc(compiled),
        # Not serialized, and there for the tasks of this DAG alone.
        user_defined_macros={PLAN: plan},
        **others,
    )


@lru_cache(maxsize=1)
def _limits() -> Mapping[str, Any]:
    """What airflow.cfg says for all DAGs; Airflow would read it anew for each."""
    example = DAG(dag_id="example", schedule=None)
    names = ("max_active_tasks", "max_active_runs", "max_consecutive_failed_dag_runs")
    return {name: getattr(example, name) for name in names}


def _moment(text: str, zone: Any) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)


def _schedule(schedule: str | AssetSchedule | None) -> Any:
    if isinstance(schedule, AssetSchedule):
        return [Asset(uri) for uri in schedule.assets]
    return schedule


def _default_args(plan: PipelinePlan) -> dict[str, Any]:
    given = {key: plain_data(value) for key, value in plan.default_args.items()}
    if plan.owner is not None:
        given["owner"] = plan.owner
    if plan.depends_on_past:
        given["depends_on_past"] = True
    return given


def _params(plan: PipelinePlan) -> dict[str, Any]:
    """The typed inputs, and the layer's variables with what the file says of them."""
    variables: dict[str, Any] = {name: str(value) for name, value in plan.variables.items()}
    for name, schema in plan.params.items():
        given = plain_data(schema)
        if "default" in given:
            variables[name] = Param(given.pop("default"), **given)
        else:
            variables[name] = Param(**given)
    return variables


class _Maker:
    """Makes the operators of one DAG."""

    def __init__(self, dag: DAG) -> None:
        self._dag = dag
        self._first: dict[object, Any] = {}

    def operator(self, spec: OperatorSpec, definition: str) -> Any:
        """The operator that the spec describes, in the DAG."""
        made = _class(spec.operator)
        own = {key: plain_data(value) for key, value in spec.arguments.items()}
        if definition and "doc_md" not in spec.common:
            own["doc_md"] = _fenced("yaml", definition)
        if spec.copies is not None:
            partial = made.partial(task_id=spec.task, dag=self._dag, **_common(spec.common), **own)
            return partial.expand(copy=list(range(spec.copies)))
        like = (spec.operator, tuple(own), repr(spec.common))
        first = self._first.get(like)
        if first is not None:
            return clone_of(first, spec.task, own)
        operator = made(task_id=spec.task, dag=self._dag, **_common(spec.common), **own)
        if getattr(made, "is_plain", False):
            self._first[like] = operator
        return operator


def _common(given: Mapping[str, Setting]) -> dict[str, Any]:
    common = {key: plain_data(value) for key, value in given.items()}
    for key, argument in (
        ("retry_delay_minutes", "retry_delay"),
        ("timeout_minutes", "execution_timeout"),
    ):
        if key in common:
            common[argument] = timedelta(minutes=common.pop(key))
    return common


@lru_cache(maxsize=256)
def _class(path: str) -> Any:
    module, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    return found if module.startswith("liminal.") else resolving(found)


def _enclose(phases: Mapping[str, str | None], made: Mapping[str, Any]) -> None:
    """Makes setup and teardown of `start` and `end`, so that `end` runs whatever happened."""
    setups = [made[name].as_setup() for name, phase in phases.items() if phase == "setup"]
    for name, phase in phases.items():
        if phase == "teardown":
            end = made[name]
            end.as_teardown(setups=setups or None, on_failure_fail_dagrun=end.fails)


def _doc(compiled: CompiledPipeline) -> str:
    parts = [f"`{compiled.source.origin}`", _fenced("yaml", compiled.source.text)]
    if compiled.picture:
        parts.append(_fenced("mermaid", compiled.picture))
    return "\n\n".join(parts)


def _fenced(language: str, text: str) -> str:
    longest = max(map(len, _FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
