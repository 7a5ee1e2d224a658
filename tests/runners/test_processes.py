import subprocess
import sys

import pytest
from runner_plans import Bench, plan, task

from liminal.runners.processes import explain, oom_kills


@pytest.mark.parametrize(
    ("code", "oom", "words"),
    [
        (0, False, None),
        (1, True, "exit status 1"),
        (-9, False, "killed by signal SIGKILL"),
        (-9, True, "killed by signal SIGKILL (out of memory?)"),
        (137, True, "exit status 137: killed by SIGKILL (out of memory?)"),
        (-11, True, "killed by signal SIGSEGV"),
        (128, False, "exit status 128"),
        (255, False, "exit status 255"),
    ],
)
def test_the_end_of_a_process_in_plain_words(code: int, oom: bool, words: str | None) -> None:
    assert explain(code, out_of_memory=oom) == words


def test_the_kernels_counter_is_read() -> None:
    assert oom_kills() >= 0


def test_the_runner_imports_nothing_heavy() -> None:
    """`liminal run` waits for its imports each time."""
    code = (
        "import sys, liminal.runners.embedded.run, liminal.runners.local, liminal.report.run\n"
        "heavy = {'airflow','docker','yaml','jsonschema_rs','uv','click','liminal.compiler',"
        "'liminal.images.engines','multiprocessing','urllib.request'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_end_of_a_process_is_also_seen_where_the_system_has_no_pidfd(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS."""
    monkeypatch.setattr("liminal.runners.processes._pidfd_of", lambda pid: None)
    result = bench.run(plan(task("a", "echo a"), task("b", "exit 3", "a")))
    assert [one.reason for one in result.tasks] == [None, "exit status 3"]
    assert bench.lines("a") == ["a"]
    (slow,) = bench.run(plan(task("c", "sleep 60", timeout=0.002))).tasks
    assert slow.reason == "timed out after 0.002 minutes"
