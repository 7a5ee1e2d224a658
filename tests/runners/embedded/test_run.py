"""Whole runs, with real processes and real containers."""

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
import runner_plans
from runner_plans import Bench, end, operator, plan, shared, start, task, text

from liminal.errors import RunError, UsageError
from liminal.metrics.log import Log
from liminal.model import Comparison, Condition, MetricsBackend, TriggerRule
from liminal.origin import Origin
from liminal.plugins import Plugins
from liminal.runners.docker import DockerRunner
from liminal.runners.embedded.events import (
    Event,
    Notice,
    RunFinished,
    RunResult,
    RunStarted,
    TaskFinished,
    TaskOutput,
    TaskRetrying,
    TaskStarted,
)
from liminal.runners.embedded.preparation import Request
from liminal.runners.embedded.run import run
from liminal.runners.embedded.states import RunState, TaskState
from liminal.runners.local import LocalRunner


@pytest.fixture
def bench(any_bench: Bench) -> Bench:
    return any_bench


def states(result: RunResult) -> dict[str, str]:
    return {task.task: task.state.value for task in result.tasks}


def test_tasks_run_in_order_and_the_metrics_are_reported(bench: Bench) -> None:
    result = bench.run(
        plan(start(), task("a", "python greet.py", "start"), task("b", "echo b", "a"), end("b"))
    )
    assert result.state is RunState.SUCCESS
    assert result.error() is None
    assert states(result) == dict.fromkeys(["start", "a", "b", "end"], "success")
    assert bench.lines("a") == ["hello from the image"]
    assert [one.task for one in bench.of(TaskStarted)] == ["start", "a", "b", "end"]
    assert json.loads(bench.lines("start")[0]) == {
        "metric": "JobStarted",
        "value": 1,
        "dimensions": {"ApplicationName": "pipe"},
    }
    reported = {line["metric"]: line["value"] for line in map(json.loads, bench.lines("end"))}
    assert reported["JobResult"] == 1
    assert 0 < reported["JobDuration"] <= result.seconds
    assert isinstance(bench.events[0], RunStarted)
    assert isinstance(bench.events[-1], RunFinished)


def test_a_failed_task_fails_the_run_after_end_has_reported(bench: Bench) -> None:
    result = bench.run(
        plan(start(), task("a", "exit 3", "start"), task("b", "echo b", "a"), end("b"))
    )
    assert states(result) == {
        "start": "success", "a": "failed", "b": "upstream_failed", "end": "success",
    }  # fmt: skip
    assert json.loads(bench.lines("end")[0])["value"] == 0
    problem = result.error()
    assert isinstance(problem, RunError)
    assert problem.message == 'pipeline "pipe" failed: task "a" failed: exit status 3'
    assert "attempt-1.log" in (problem.hint or "")
    assert result.tasks[2].reason == '"a" failed'


def test_end_runs_last_whatever_it_depends_on(bench: Bench) -> None:
    result = bench.run(plan(end(), task("slow", "sleep 0.2"), task("bad", "exit 1")))
    assert states(result)["end"] == "success"
    assert [one.task for one in bench.of(TaskFinished)][-1] == "end"


def test_independent_tasks_run_side_by_side(bench: Bench, tmp_path: Path) -> None:
    """Each waits for the other's file, so neither ends if they do not run together."""
    wait = "touch shared/{0}; while [ ! -e shared/{1} ]; do sleep 0.01; done"
    mounts = (shared(tmp_path),)
    result = bench.run(
        plan(
            task("a", wait.format("a", "b"), timeout=0.5, mounts=mounts),
            task("b", wait.format("b", "a"), timeout=0.5, mounts=mounts),
        ),
        parallel=2,
    )
    assert result.state is RunState.SUCCESS


def test_no_more_run_at_a_time_than_asked(bench: Bench, tmp_path: Path) -> None:
    cmd = "cd shared; touch {0}.here; ls | grep -c here; sleep 0.5; rm {0}.here"
    names = [f"t{number}" for number in range(6)]
    mounts = (shared(tmp_path),)
    bench.run(plan(*[task(name, cmd.format(name), mounts=mounts) for name in names]), parallel=2)
    assert max(int(bench.lines(name)[0]) for name in names) == 2


def test_one_failed_starts_before_the_others_are_done(bench: Bench, tmp_path: Path) -> None:
    wait, mounts = "while [ ! -e shared/alarm ]; do sleep 0.01; done", (shared(tmp_path),)
    result = bench.run(
        plan(
            task("bad", "exit 1"),
            task("slow", wait, timeout=0.5, mounts=mounts),
            task(
                "alarm",
                "touch shared/alarm",
                "bad",
                "slow",
                rule=TriggerRule.ONE_FAILED,
                mounts=mounts,
            ),
        )
    )
    assert states(result) == {"bad": "failed", "slow": "success", "alarm": "success"}


def test_retries_end_with_the_first_success(bench: Bench) -> None:
    result = bench.run(
        plan(task("t", 'echo try $LIMINAL_TRY; test "$LIMINAL_TRY" = 3', retries=4, delay=0.0005))
    )
    (done,) = result.tasks
    assert (done.state, done.attempts) == (TaskState.SUCCESS, 3)
    assert [one.reason for one in bench.of(TaskRetrying)] == ["exit status 1"] * 2
    assert bench.lines("t") == ["try 1", "try 2", "try 3"]
    logs = [(result.folder / "tasks" / "t" / f"attempt-{n}.log").read_text() for n in (1, 2, 3)]
    assert logs == ["try 1\n", "try 2\n", "try 3\n"]


def test_retries_run_out(bench: Bench) -> None:
    (done,) = bench.run(plan(task("t", "exit 1", retries=2))).tasks
    assert (done.state, done.attempts) == (TaskState.FAILED, 3)


def test_a_task_over_its_time_fails_and_is_retried(bench: Bench) -> None:
    (done,) = bench.run(plan(task("t", "sleep 60", timeout=0.002, retries=1))).tasks
    assert (done.state, done.attempts) == (TaskState.FAILED, 2)
    assert done.reason == "timed out after 0.002 minutes"


def test_a_pipeline_over_its_time_fails_with_all_its_tasks_and_end_reports(bench: Bench) -> None:
    result = bench.run(
        plan(
            start(),
            task("slow", "sleep 60", "start", retries=3),
            task("later", "echo no", "slow"),
            end("later"),
            timeout_minutes=0.003,
        )
    )
    assert result.state is RunState.FAILED
    assert states(result) == {
        "start": "success", "slow": "failed", "later": "failed", "end": "success",
    }  # fmt: skip
    assert result.reason == "the pipeline is over its timeout of 0.003 minutes"
    assert json.loads(bench.lines("end")[0])["value"] == 0
    assert result.tasks[1].attempts == 1


def test_the_timeout_also_ends_the_wait_for_a_retry(bench: Bench) -> None:
    result = bench.run(plan(task("t", "exit 1", retries=1, delay=60), timeout_minutes=0.005))
    assert result.tasks[0].state is TaskState.FAILED
    assert result.tasks[0].attempts == 1


def test_a_false_condition_skips_and_the_skip_goes_on(bench: Bench) -> None:
    condition = Condition(
        left=text("{{ tasks.a.score }}"), operator=Comparison.GREATER, right="0.5"
    )
    result = bench.run(
        plan(
            task("a", 'echo "score=0.4" > "$LIMINAL_OUTPUT"', outputs=("score",)),
            task("b", "echo b", "a", when=condition),
            task("c", "echo c", "b"),
            task("d", "echo d", "b", rule=TriggerRule.NONE_FAILED),
        )
    )
    assert states(result) == {"a": "success", "b": "skipped", "c": "skipped", "d": "success"}
    assert result.state is RunState.SUCCESS
    assert result.tasks[1].reason == "its condition is false"


def test_outputs_reach_later_tasks_as_one_word(bench: Bench) -> None:
    result = bench.run(
        plan(
            task("a", "echo 'k=x; echo pwned $(id)' > $LIMINAL_OUTPUT", outputs=("k",)),
            task("b", 'echo {{ tasks.a.k }}; echo "$E"', "a", env_vars={"E": "{{ tasks.a.k }}"}),
        )
    )
    assert result.state is RunState.SUCCESS
    assert bench.lines("b") == ["x; echo pwned $(id)"] * 2


def test_bad_outputs_fail_the_task(bench: Bench) -> None:
    for cmd, words in {
        "true": 'did not write its output "k"',
        "echo nothing > $LIMINAL_OUTPUT": "no KEY=VALUE in line 1",
        "head -c 70000 /dev/zero > $LIMINAL_OUTPUT": "more than 64 KiB",
        "rm $LIMINAL_OUTPUT; ln -s /etc/passwd $LIMINAL_OUTPUT": "did not write",
        "rm $LIMINAL_OUTPUT; mkfifo $LIMINAL_OUTPUT": "did not write",
    }.items():
        (done,) = bench.run(plan(task("a", cmd, outputs=("k",)))).tasks
        assert done.state is TaskState.FAILED
        assert words in (done.reason or "")


def test_an_output_of_a_skipped_task_fails_who_reads_it(bench: Bench) -> None:
    never = Condition(left="1", operator=Comparison.EQUAL, right="2")
    result = bench.run(
        plan(
            task("a", outputs=("k",), when=never),
            task("b", "echo {{ tasks.a.k }}", "a", rule=TriggerRule.ALL_DONE, retries=3),
        )
    )
    assert states(result) == {"a": "skipped", "b": "failed"}
    assert "{{ tasks.a.k }}" in (result.tasks[1].reason or "")


def test_copies_run_in_parallel_and_the_task_is_their_sum(bench: Bench) -> None:
    copies = tuple({"LR": value} for value in ("0.1", "0.2", "0.3"))
    cmd = (
        "echo $LR {{ LR }} $LIMINAL_SPLIT_ID/$LIMINAL_NUM_SPLITS;"
        ' echo k=$LR > $LIMINAL_OUTPUT; test "$LR" != 0.2'
    )
    result = bench.run(
        plan(
            task("m", cmd, copies=copies, outputs=("k",)),
            task("one", "true", "m", rule=TriggerRule.ONE_FAILED),
            task("all", "true", "m", rule=TriggerRule.ALL_FAILED),
        )
    )
    assert [bench.lines(f"m[{n}]") for n in range(3)] == [
        ["0.1 0.1 0/3"],
        ["0.2 0.2 1/3"],
        ["0.3 0.3 2/3"],
    ]
    assert states(result) == {"m": "failed", "one": "success", "all": "skipped"}
    (mapped, _, _) = result.tasks
    assert mapped.reason == "copy 1: exit status 1"
    assert [one.state.value for one in mapped.copies] == ["success", "failed", "success"]
    assert (result.folder / "tasks" / "m+2" / "attempt-1.log").read_text() == "0.3 0.3 2/3\n"


def test_outputs_of_copies_are_a_json_list(bench: Bench) -> None:
    copies = ({"X": "a b"}, {"X": "c"})
    bench.run(
        plan(
            task("m", 'echo "k=$X" > $LIMINAL_OUTPUT', copies=copies, outputs=("k",)),
            task("r", "echo {{ tasks.m.k }}", "m"),
        )
    )
    assert bench.lines("r") == ['["a b", "c"]']


def test_task_and_from_take_a_part(bench: Bench) -> None:
    pipeline = plan(
        start(),
        task("a", "echo a >&2; echo k=from-a > $LIMINAL_OUTPUT", "start", outputs=("k",)),
        task("b", "echo b {{ tasks.a.k }}", "a"),
        task("c", "echo c", "b"),
        end("c"),
    )
    with pytest.raises(RunError) as found:
        bench.run(pipeline, from_task="b")
    assert 'task "b": {{ tasks.a.k }}' in found.value.message
    assert "whole pipeline" in (found.value.hint or "")
    assert bench.run(pipeline).state is RunState.SUCCESS
    assert states(bench.run(pipeline, task="c")) == {"c": "success"}
    result = bench.run(pipeline, from_task="b")
    assert states(result) == {"b": "success", "c": "success", "end": "success"}
    assert bench.lines("b") == ["b from-a"]
    with pytest.raises(UsageError, match="no task"):
        bench.run(pipeline, task="bb")


def test_outputs_survive_the_pruning_of_their_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liminal.runners.embedded.folder.KEPT_RUNS", 3)
    pipeline = plan(
        task("a", "echo k=1 > $LIMINAL_OUTPUT", outputs=("k",)),
        task("b", "echo {{tasks.a.k}}", "a"),
    )
    first = bench.run(pipeline)
    for _ in range(5):
        assert bench.run(pipeline, task="b").state is RunState.SUCCESS
    assert not first.folder.exists()
    assert len(list(first.folder.parent.iterdir())) == 3


def test_unresolved_placeholders_of_all_tasks_stop_the_run_before_it_begins(bench: Bench) -> None:
    with pytest.raises(RunError) as found:
        bench.run(
            plan(
                task("a", "echo {{ nope }} {{ 7*7 }}"),
                task("b", "echo {{ ds | upper }}", env_vars={"X": "{{ tasks.c.k }}"}),
            )
        )
    for words in (
        'task "a": {{ nope }}',
        '"a": {{ 7*7 }}',
        '"b": {{ ds | upper }}',
        "{{ tasks.c.k }}",
    ):
        assert words in found.value.message
    assert bench.events == []
    assert not bench.machine.home.runs.exists()


def test_var_reaches_variables_conditions_and_the_environment(bench: Bench) -> None:
    bench.run(
        plan(
            task("a", "echo {{ msg }} $env", env_vars={"MSG": "{{ msg }}"}),
            variables={"msg": "hello {{ who }}", "who": "you"},
        ),
        variables={"who": "a  b", "env": "prod"},
    )
    assert bench.lines("a") == ["hello a  b prod"]


def test_a_var_that_nothing_uses_stops_the_run_before_it_begins(bench: Bench) -> None:
    pipeline = plan(task("a", "echo {{ alpha }}"), variables={"alpha": "1"})
    with pytest.raises(UsageError) as found:
        bench.run(pipeline, variables={"alpah": "2"})
    assert found.value.message == (
        'nothing in the pipeline uses --var "alpah"; did you mean "alpha"?'
    )
    bench.run(pipeline, variables={"alpha": "2", "env": "x"})
    assert bench.of(Notice) == []


def test_tasks_that_only_airflow_runs_stop_the_run_before_it_begins(bench: Bench) -> None:
    with pytest.raises(RunError) as found:
        bench.run(plan(task("a"), operator("sql"), task("k", "x", executor="kubernetes")))
    assert found.value.message == (
        'task "sql" runs on Airflow only: it is of type "python"\n'
        'task "k" runs on Airflow only: its executor is of type "kubernetes"'
    )
    assert bench.run(plan(task("a"), operator("sql")), task="a").state is RunState.SUCCESS


class Down:
    """A metrics backend that is down."""

    properties: ClassVar[Mapping[str, Any]] = {}
    required: ClassVar[tuple[str, ...]] = ()

    def report(self, name: str, value: float, dimensions: object, settings: object) -> None:
        raise ConnectionRefusedError("nobody there")


class Buggy(Down):
    """One whose code is wrong."""

    def report(self, name: str, value: float, dimensions: object, settings: object) -> None:
        raise KeyError(name)


def test_a_metrics_backend_that_is_down_never_fails_the_run(bench: Bench) -> None:
    origin = Origin("x", 1, 1)
    kinds = ("down", "buggy", "missing", "log")
    backends = tuple(MetricsBackend(name=kind, type=kind, origin=origin) for kind in kinds)
    plugins = Plugins(
        {
            "liminal.runners": {"local": lambda: LocalRunner, "docker": lambda: DockerRunner},
            "liminal.metrics": {"log": lambda: Log, "down": lambda: Down, "buggy": lambda: Buggy},
        }
    )
    result = bench.run(plan(start(), end("start"), metrics=backends), plugins=plugins)
    assert result.state is RunState.SUCCESS
    told = bench.lines("start")
    assert told[:3] == [
        'the metrics backend "down" did not take the metrics: nobody there',
        "the metrics backend \"buggy\" failed: KeyError: 'JobStarted'",
        'the metrics backend "missing" did not take the metrics:'
        ' liminal.metrics has no type "missing"',
    ]
    assert json.loads(told[3])["metric"] == "JobStarted"
    assert (result.folder / "tasks" / "start" / "attempt-1.log").read_text().splitlines() == told


def test_run_ids_are_unique_and_safe_in_a_file_system(bench: Bench) -> None:
    pipeline = plan(task("a"))
    ids = [bench.run(pipeline).run_id for _ in range(3)]
    assert ids[0] == "manual__20260301T123005.123456Z"
    assert len(set(ids)) == 3
    assert ids == sorted(ids)


def test_nothing_but_logs_and_outputs_remains(bench: Bench) -> None:
    result = bench.run(plan(task("a", "echo x > left-over; mkdir -m 0 locked")))
    assert result.left_behind == ()
    found = {str(path.relative_to(result.folder)) for path in result.folder.rglob("*")}
    assert found == {"tasks", "tasks/a", "tasks/a/attempt-1.log", "run.json"}
    record = json.loads((result.folder / "run.json").read_text())
    assert record["state"] == "success"
    assert record["tasks"] == {"a": "success"}


def test_what_the_listener_raises_ends_the_run_and_comes_out(bench: Bench) -> None:
    def on_event(event: Event) -> None:
        if isinstance(event, TaskOutput):
            raise BrokenPipeError

    request = Request(now=runner_plans.NOW)
    with pytest.raises(BrokenPipeError):
        run(
            plan(task("a", "echo x; sleep 60")),
            request,
            bench.machine,
            runner_plans.PLUGINS,
            on_event,
        )


def test_a_run_in_another_thread_works_without_signals(bench: Bench) -> None:
    results: list[RunResult] = []
    thread = threading.Thread(target=lambda: results.append(bench.run(plan(task("a")))))
    thread.start()
    thread.join()
    assert results[0].state is RunState.SUCCESS


def test_much_output_does_not_fail_the_task_and_keeps_memory_small(bench: Bench) -> None:

    seen = 0

    def on_event(event: Event) -> None:
        nonlocal seen
        if isinstance(event, TaskOutput):
            seen += sum(len(line) + 1 for line in event.lines)

    before = psutil.Process().memory_info().rss
    request = Request(now=runner_plans.NOW)
    result = run(
        plan(task("a", "yes 0123456789012345678901234567890123456789 | head -c 80000000")),
        request, bench.machine, runner_plans.PLUGINS, on_event,
    )  # fmt: skip
    assert result.state is RunState.SUCCESS
    assert abs(seen - 80_000_000) <= 1
    assert psutil.Process().memory_info().rss - before < 100_000_000
    log = result.tasks[0].log
    assert log is not None
    assert log.stat().st_size < 53_000_000


def test_times_are_measured(bench: Bench) -> None:
    began = time.monotonic()
    result = bench.run(plan(task("a", "sleep 0.2"), task("b", "sleep 0.1", "a")))
    assert 0.3 <= result.seconds <= time.monotonic() - began
    assert result.tasks[0].seconds >= 0.2


def test_no_name_of_a_task_is_that_of_something_else(bench: Bench) -> None:
    names = ("work", "lock", "outputs", "tasks", "run.json", "train.0", "train.1", "train-1")
    copies = task("train", "echo $LIMINAL_TASK $LIMINAL_SPLIT_ID", copies=({}, {}))
    result = bench.run(plan(copies, *(task(name, f"echo {name}") for name in names)))
    assert result.state is RunState.SUCCESS
    for name in names:
        assert (result.folder / "tasks" / name / "attempt-1.log").read_text() == f"{name}\n"
        assert bench.lines(name) == [name]
    assert [bench.lines(f"train[{copy}]") for copy in (0, 1)] == [["train 0"], ["train 1"]]
    assert len({one.log for all_of in result.tasks for one in (all_of.copies or [all_of])}) == 10
    assert {one.name for one in result.folder.iterdir()} == {"run.json", "tasks"}
