"""The processes: start, readiness, signals, ports and exit statuses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PREDICT = "def predict(body): return body"
SLOW = """
    import pathlib, time
    def slow(body):
        pathlib.Path("began").touch()
        time.sleep(1.5)
        return "finished"
    def quick(body): return "quick"
    def on_start(): pathlib.Path("started").touch()
    def on_stop(): pathlib.Path("stopped").touch()
"""


def test_ready_is_said_once_and_then_requests_are_answered(start):
    service = start(PREDICT)
    assert service.request("/predict", "hi").body == b"hi"
    assert service.err == f"liminal_serving: ready on http://127.0.0.1:{service.port}\n"


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_f40_signal_lets_requests_in_flight_finish_and_exits_with_0(start, sign):
    service = start(SLOW)
    request = service.in_background("/slow", body="x")
    service.wait_for((service.folder / "began").exists)
    assert service.stop(sign) == 0
    request.join()
    assert request.answer.body == b"finished"
    assert (service.folder / "started").exists()
    assert (service.folder / "stopped").exists()
    assert service.pids() == []


def test_f40_readyz_says_503_and_new_requests_are_refused_while_stopping(start):
    service = start(SLOW)
    request = service.in_background("/slow", body="x")
    service.wait_for((service.folder / "began").exists)
    service.process.send_signal(signal.SIGTERM)
    service.wait_for(lambda: service.request("/readyz").status == 503)
    refused = service.request("/quick", "x")
    assert (refused.status, refused.json["error"]) == (503, "stopping")
    assert service.request("/healthz").status == 200
    request.join()
    assert request.answer.status == 200
    assert service.stop() == 0


def test_f40_sigterm_under_load_breaks_no_request(start):
    service = start(
        "import time\ndef quick(body):\n    time.sleep(0.02)\n    return body", workers=2
    )
    broken, answered = [], []

    def client() -> None:
        while True:
            try:
                connection = service.connect()
            except OSError:
                return  # refused: the service is gone
            with connection:
                request = b"POST /quick HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                connection.sendall(request + b"Content-Length: 2\r\n\r\nhi")
                answer = service.read_all(connection)
            if answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"hi"):
                answered.append(answer)
            elif answer and b'"stopping"' not in answer:
                broken.append(answer)

    threads = [threading.Thread(target=client) for _ in range(16)]
    for thread in threads:
        thread.start()
    service.wait_for(lambda: len(answered) > 100)
    assert service.stop() == 0
    for thread in threads:
        thread.join()
    assert broken == []
    lines = [line for line in service.lines if line["path"] == "/quick"]
    assert sum(line["status"] == 200 for line in lines) == len(answered)


def test_f40_grace_period_is_the_longest_a_stop_takes(start):
    service = start("import time\ndef hang(body): time.sleep(600)", grace_seconds=1)
    request = service.in_background("/hang", body="x")
    service.wait_for(lambda: service.metric("liminal_serving_in_flight") == 2)
    began = time.monotonic()
    assert service.stop() == 0
    assert time.monotonic() - began < 15
    request.join()
    assert request.answer.status == 503
    assert service.pids() == []


def test_second_signal_stops_at_once(start):
    service = start("import time\ndef hang(body): time.sleep(600)", grace_seconds=60)
    request = service.in_background("/hang", body="x")
    service.wait_for(lambda: service.metric("liminal_serving_in_flight") == 2)
    service.process.send_signal(signal.SIGINT)
    service.wait_for(lambda: service.request("/readyz").status == 503)
    service.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert service.stop() == 0
    assert time.monotonic() - began < 15
    request.join()


def test_taken_port_is_exit_status_6_and_one_line_that_names_it(start):
    first = start(PREDICT)
    second = start(PREDICT, port=first.port, wait=False)
    assert second.process.wait(30) == 6
    assert second.err.count("\n") == 1
    assert f"port {first.port} on 127.0.0.1 is taken" in second.err
    assert first.request("/predict", "x").status == 200


def test_port_0_takes_a_free_one(start, tmp_path):
    service = start(PREDICT)
    command = [sys.executable, "-m", "liminal.serving", "--config", "service.json", "--port", "0"]
    process = subprocess.Popen(
        command,
        cwd=service.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    process.terminate()
    process.wait(30)
    process.stderr.close()
    assert re.fullmatch(r"liminal_serving: ready on http://127.0.0.1:[1-9]\d+\n", line)


@pytest.mark.parametrize(
    ("source", "first", "more"),
    [
        ("def predict(body): pass\nimport no_such", "cannot be imported", "ModuleNotFoundError"),
        ("def predict(body): pass\n1 / 0", "cannot be imported", "ZeroDivisionError"),
        ("def predict(body): pass\nraise SystemExit(3)", "cannot be imported", "SystemExit: 3"),
        ("def predict(body, more): pass", "takes 2 arguments (body, more)", ""),
        ("def predict(body: complex): pass", '"complex" is not a type that JSON can hold', ""),
        ("def predict(body: 'Unknown'): pass", "name 'Unknown' is not defined", ""),
        ("def predict(body): pass\nimport os; os._exit(9)", "ended while loading", "status 9"),
        ("def predict(body): pass\ndef on_start(): 1 / 0", "on_start() of module", "ZeroDivision"),
    ],
)
def test_f40_load_failure_is_exit_status_5_with_the_reason(start, source, first, more):
    service = start(source, wait=False)
    assert service.process.wait(30) == 5
    line = service.err.splitlines()[0]
    assert first in line
    assert more in service.err
    assert "ended while" in line or 'module "serving"' in line
    assert "ready on" not in service.err
    assert "importlib" not in service.err


def test_missing_function_is_exit_status_5(start):
    service = start(PREDICT)
    text = (service.folder / "service.json").read_text().replace('"predict"', '"predicte"')
    (service.folder / "service.json").write_text(text)
    command = [sys.executable, "-m", "liminal.serving", "--config", "service.json", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=service.folder, env=environment, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 5
    assert 'module "serving" of endpoint "/predict" has no function "predicte"' in done.stderr


def test_config_fault_is_exit_status_3(start):
    service = start(PREDICT, werkers=3, wait=False)
    assert service.process.wait(30) == 3
    assert 'unknown key "werkers"' in service.err


def test_f40_readyz_waits_for_the_model_and_healthz_does_not(start):
    service = start(
        """
        import pathlib, time
        while not pathlib.Path("go").exists():
            time.sleep(0.05)
        def predict(body): return body
        def ready(): return pathlib.Path("go").exists()
        """,
        wait=False,
    )
    service.wait_for(lambda: "answers" if _health(service) else None)
    assert service.request("/readyz").status == 503
    refused = service.request("/predict", "x")
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert "ready on" not in service.err
    (service.folder / "go").touch()
    service.wait_until_ready()
    assert service.request("/readyz").status == 200
    (service.folder / "go").unlink()
    assert service.request("/readyz").status == 503, "the module's own ready() says no"


def _health(service) -> bool:
    try:
        return service.request("/healthz").status == 200
    except OSError:
        return False


def test_access_line_repeats_the_request_id(start):
    service = start(PREDICT)
    answer = service.request("/predict", "hi", X_Request_Id="my-id-1")
    assert answer.headers["x-request-id"] == "my-id-1"
    service.wait_for(lambda: service.lines)
    line = service.lines[-1]
    assert line["request_id"] == "my-id-1"
    assert (line["method"], line["path"], line["status"]) == ("POST", "/predict", 200)
    assert (line["bytes_in"], line["bytes_out"], line["service"]) == (2, 2, "iris")
    assert line["duration_ms"] > 0


def test_users_prints_and_files_come_from_the_users_folder(start):
    service = start(
        """
        import pathlib
        def predict(body):
            print("a print")
            return pathlib.Path.cwd().name
        """
    )
    assert service.request("/predict", "x").body.decode() == service.folder.name
    service.wait_for(lambda: "a print" in service.out)


def test_users_flask_py_is_not_our_flask(start, tmp_path):
    service = start(PREDICT)
    (service.folder / "flask.py").write_text("raise RuntimeError('the wrong flask')")
    command = [sys.executable, "-m", "liminal.serving", "--config", "service.json", "--port", "0"]
    process = subprocess.Popen(
        command,
        cwd=service.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "ready on" in process.stderr.readline()
    process.terminate()
    assert process.wait(30) == 0
    process.stderr.close()


def test_killed_server_leaves_no_process(start):
    service = start(PREDICT)
    worker = service.pids()
    assert worker
    service.process.kill()
    service.process.wait()
    service.wait_for(lambda: not service.pids())
    service.wait_for(lambda: not _health(service))


def test_killed_front_is_replaced(start):
    service = start(PREDICT)
    before = service.pids()
    front = int(
        subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(service.process.pid)], capture_output=True, text=True
        ).stdout.split()[0]
    )
    os.kill(front, signal.SIGKILL)
    service.wait_for(lambda: _health(service) and service.request("/predict", "x").status == 200)
    service.wait_for(lambda: not set(before) & set(service.pids()))
    assert service.err.count("ready on") == 1
    assert service.stop() == 0
