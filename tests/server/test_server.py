"""The embedded Airflow as its user meets it: one server, started once, and every command."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from liminal.home import Home
from liminal.server.api import open_api
from tests.server.conftest import LIMINAL, Server, port_of, wait_until


def test_start_says_where_it_answers_and_only_a_terminal_gets_the_password(
    server: Server,
) -> None:
    said = server.said  # type: ignore[attr-defined]
    assert f"answers on {server.record['url']}" in said
    password = json.loads((server.home / "airflow" / "passwords.json").read_text())["admin"]
    assert password not in said
    status = server.liminal("status")
    assert password not in status.stdout + status.stderr
    assert f"user admin, password {password}" in in_terminal(server, "status")


def in_terminal(server: Server, *words: str) -> str:
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [LIMINAL, *words], cwd=server.cwd, env=server.env, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            data = os.read(ours, 4096)
        except OSError:
            break
        if not data:
            break
        said += data
    process.wait(60)
    os.close(ours)
    return said.decode()


def test_a_second_start_says_that_it_runs(server: Server) -> None:
    done = server.liminal("start")
    assert done.returncode == 0
    assert f"the server runs already (process {server.record['pid']})" in done.stderr
    other = server.liminal("start", "--port", "1234")
    assert other.returncode == 6
    assert f"the server runs already, on {server.record['url']}" in other.stderr
    assert "Traceback" not in other.stderr


def test_everything_listens_on_this_machine_only(server: Server) -> None:
    ours = {int(words.split()[0]) for words in server.processes()}
    listening = [
        connection
        for connection in psutil.net_connections(kind="inet")
        if connection.pid in ours and connection.status == psutil.CONN_LISTEN
    ]
    assert {connection.laddr[1] for connection in listening} == {port_of(server)}
    assert {connection.laddr[0] for connection in listening} == {"127.0.0.1"}


def test_nothing_of_the_server_is_open_to_others(server: Server) -> None:
    airflow = server.home / "airflow"
    assert server.home.stat().st_mode & 0o777 == 0o700
    assert airflow.stat().st_mode & 0o777 == 0o700
    for name in ("passwords.json", "secrets.json", "airflow.cfg", "airflow.db", "server.json"):
        assert (airflow / name).stat().st_mode & 0o777 == 0o600, name


def test_nobody_gets_in_without_the_password(server: Server) -> None:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    for request in (
        Request(f"{server.record['url']}/api/v2/dags"),
        Request(f"{server.record['url']}/auth/token"),
        Request(
            f"{server.record['url']}/auth/token",
            b'{"username": "admin", "password": "admin"}',
            {"Content-Type": "application/json"},
        ),
    ):
        with pytest.raises(HTTPError) as refused:
            urlopen(request, timeout=60)
        assert refused.value.code in (401, 403)


def test_trigger_follows_a_run_to_its_end(server: Server) -> None:
    done = server.liminal("trigger", "quick", "--var", "who=you", "--wait")
    assert done.returncode == 0, done.stderr
    assert "judge: success" in done.stderr
    assert "quick: success after" in done.stderr
    logged = server.wait_for_log("quick", "greet", "hello you times 3")
    assert "hello you times 3" in logged.splitlines()


def test_a_run_that_fails_ends_with_5_and_the_lines_that_say_why(server: Server) -> None:
    done = server.liminal("trigger", "quick", "--var", "n=7", "--wait")
    assert done.returncode == 5
    assert "judge | ValueError: too many" in done.stderr
    assert "quick: failed after" in done.stderr
    server.wait_for_log("quick", "judge", "ValueError: too many")
    last = server.liminal("logs", "quick", "judge", "--tail", "1")
    assert last.stdout.splitlines() == ["ValueError: too many"]


def test_what_cannot_be_triggered_is_said(server: Server) -> None:
    misspelt = server.liminal("trigger", "quik")
    assert misspelt.returncode == 2
    assert 'no pipeline named "quik"; did you mean "quick"?' in misspelt.stderr
    unknown = server.liminal("logs", "quik")
    assert unknown.returncode == 2
    assert 'did you mean "quick"?' in unknown.stderr
    wrong = server.liminal("trigger", "quick", "--var", "n=several")
    assert wrong.returncode == 2
    assert '--var n: "several" is not integer' in wrong.stderr


def test_ctrl_c_leaves_a_followed_run_going(server: Server) -> None:
    process = subprocess.Popen(
        [LIMINAL, "trigger", "slow", "--var", "seconds=3", "--wait"],
        cwd=server.cwd,
        env=server.env,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("sleeper: "):
            break
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(60) == 130
    assert "of slow goes on" in said
    assert server.wait_for_run("slow") == "success"


def test_a_new_pipeline_is_there_within_5_seconds_and_not_paused(server: Server) -> None:
    api = open_api(Home(server.home))
    text = (server.home / "airflow" / "dags" / "many.py").read_text()
    took = []
    for name in ("new", "newer", "newest"):  # the others may just have had a busy machine
        began = time.monotonic()
        file = server.home / "airflow" / "dags" / f"{name}.py"
        file.write_text(text.replace('"many"', f'"{name}"'))
        wait_until(lambda name=name: api.details(name) is not None, 60, name)
        took.append(time.monotonic() - began)
    assert not next(one for one in api.pipelines() if one.name == "new").paused
    assert min(took) < 5
    assert server.liminal("trigger", "new").returncode == 0


def test_status_tells_pipelines_and_files_that_do_not_load(server: Server) -> None:
    (server.home / "airflow" / "dags" / "broken.py").write_text(
        "# airflow dag\nraise ValueError('oh no')\n"
    )
    wait_until(lambda: server.status()["import_errors"], 60, "the import error")
    told = server.status()
    assert told["server"]["state"] == "ready"
    assert told["import_errors"] == [{"file": "broken.py", "message": "ValueError: oh no"}]
    assert {"quick", "slow", "many"} <= {one["pipeline"] for one in told["pipelines"]}
    assert all(not one["paused"] for one in told["pipelines"])
    text = server.liminal("status").stdout
    assert "server: ready on http://127.0.0.1:" in text
    assert "failed to load broken.py" in text
    (server.home / "airflow" / "dags" / "broken.py").unlink()


def test_logs_of_the_server(server: Server) -> None:
    assert "scheduler | " in server.liminal("logs", "--tail", "3").stdout
    assert "Uvicorn running" in server.liminal("logs", "api-server").stdout


def test_200_runs_at_once_all_succeed(server: Server) -> None:
    api = open_api(Home(server.home))
    runs = {api.trigger("many", {}) for _ in range(200)}
    assert len(runs) == 200

    def done() -> bool:
        states = {run.run_id: run.state for run in api.latest_runs("many")}
        return all(state == "success" for state in states.values())

    wait_until(done, 400, "200 runs")
    assert (
        "database is locked" not in (server.home / "airflow/logs/server/scheduler.log").read_text()
    )


@pytest.mark.parametrize("name", ["dag-processor", "api-server"])
def test_a_killed_part_is_started_again_and_the_run_goes_on(server: Server, name: str) -> None:
    run = server.trigger("slow", "--var", "seconds=8")
    server.wait_for_mark(f"sleeper {run}")
    killed = server.pid(name)
    os.kill(killed, signal.SIGKILL)
    wait_until(
        lambda: server.pid(name) != killed and server.record["parts"] and _runs(server, name),
        180,
        f"the new {name}",
    )
    assert server.wait_for_run("slow") == "success"
    assert [one for one in server.marks if one.endswith(run)] == [
        f"first {run}",
        f"sleeper {run}",
        f"slept {run}",
        f"last {run}",
    ]


def _runs(server: Server, name: str) -> bool:
    return any(
        part["name"] == name and part["state"] == "running" for part in server.record["parts"]
    )


def test_a_killed_scheduler_is_started_again_and_nothing_that_succeeded_runs_twice(
    server: Server,
) -> None:
    run = server.trigger("slow", "--var", "seconds=6")
    server.wait_for_mark(f"sleeper {run}")
    killed = server.pid("scheduler")
    session = {pid for pid in psutil.pids() if _session(pid) == killed}
    assert len(session) > 4
    os.kill(killed, signal.SIGKILL)
    assert server.wait_for_run("slow") == "success"
    ours = [one for one in server.marks if one.endswith(run)]
    assert ours.count(f"first {run}") == 1
    assert ours.count(f"slept {run}") == 1
    assert ours.count(f"last {run}") == 1
    assert not any(psutil.pid_exists(pid) for pid in session)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def test_a_scheduler_whose_heart_stops_is_started_again(server: Server) -> None:
    stuck = server.pid("scheduler")
    os.kill(stuck, signal.SIGSTOP)
    wait_until(lambda: server.pid("scheduler") != stuck, 180, "the new scheduler")
    assert not psutil.pid_exists(stuck)
    wait_until(lambda: _runs(server, "scheduler"), 180, "its heartbeat")
    assert (
        "heart has not beaten"
        in (server.home / "airflow" / "logs" / "server" / "supervisor.log").read_text()
    )


def test_no_secret_is_in_a_log_or_in_what_was_printed(server: Server) -> None:
    airflow = server.home / "airflow"
    secrets = [
        *json.loads((airflow / "secrets.json").read_text()).values(),
        *json.loads((airflow / "passwords.json").read_text()).values(),
    ]
    secrets.append("eyJhbGci")  # how every token begins
    logs = [path for path in (airflow / "logs").rglob("*") if path.is_file()]
    assert logs
    for path in (*logs, airflow / "server.json", airflow / "airflow.db"):
        content = path.read_bytes()
        assert not [one for one in secrets if one.encode() in content], path
    environments = "".join(
        "".join(psutil.Process(int(words.split()[0])).environ().values())
        for words in server.processes()
    )
    assert not [one for one in secrets if one in environments]


def test_a_taken_port_is_told_with_who_holds_it(airflow: None, tmp_path: Path) -> None:
    own = Server(tmp_path / "home", tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = own.liminal("start", "--port", str(port))
    assert done.returncode == 6
    assert re.search(rf"port {port} on 127.0.0.1 is taken by process {os.getpid()} \(", done.stderr)
    assert "--port 0" in done.stderr
