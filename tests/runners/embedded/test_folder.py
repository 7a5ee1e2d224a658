import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from runner_plans import NOW, Bench, plan, task

from liminal.errors import RunError
from liminal.home import Home
from liminal.runners.embedded.events import RunStarted
from liminal.runners.embedded.folder import abandoned, earlier_runs, make_folder, prune, release


def test_a_home_that_cannot_be_written_to_is_said(bench: Bench) -> None:
    bench.machine.home.path.write_text("a file")
    with pytest.raises(RunError) as found:
        bench.run(plan(task("a")))
    assert "cannot be made" in found.value.message
    assert found.value.hint == "LIMINAL_HOME names the folder that Liminal writes to"
    assert bench.of(RunStarted) == []


def test_the_last_runs_are_kept_and_those_that_go_on(tmp_path: Path) -> None:
    home = Home(tmp_path)
    goes_on = make_folder(home, "app", "p", NOW)
    for minutes in range(25):
        release(make_folder(home, "app", "p", NOW + timedelta(minutes=minutes)))
    release(make_folder(home, "app", "other", NOW))
    prune(home, "app", "p")
    kept = earlier_runs(home, "app", "p")
    assert len(kept) == 21
    assert kept[-1] == goes_on.path
    assert len(earlier_runs(home, "app", "other")) == 1
    release(goes_on)
    prune(home, "app", "p")
    assert len(earlier_runs(home, "app", "p")) == 20


def test_a_run_is_abandoned_only_once_its_process_is_dead(tmp_path: Path) -> None:
    home = Home(tmp_path)
    code = (
        "import sys; from pathlib import Path; from liminal.home import Home\n"
        "from liminal.runners.embedded.folder import make_folder\n"
        "from datetime import datetime, timezone\n"
        f"make_folder(Home(Path({str(tmp_path)!r})), 'a', 'p', datetime.now(timezone.utc))\n"
        "print('made', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    with abandoned(home) as runs:
        assert runs == ()
    process.kill()
    process.communicate()
    with abandoned(home) as runs:
        assert len(runs) == 1
        with abandoned(home) as others:
            assert others == ()
