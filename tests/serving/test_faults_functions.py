"""F39: functions that raise, exit, crash or hang, and the workers that pay for it."""

from __future__ import annotations

import os
import signal
import time

import pytest

SOURCE = """
    import ctypes, os, pathlib, sys, threading, time
    def good(body): return "good"
    def pid(body): return os.getpid()
    def raises(body): raise ValueError("secret")
    def leaves(body): sys.exit(3)
    def exits(body): os._exit(3)
    def crashes(body): ctypes.string_at(0)
    def sleeps(body): time.sleep(3600)
    def blocks(body):
        # A call into C that keeps the interpreter's lock, as a bad extension does.
        ctypes.PyDLL(None).sleep(3600)
    def slow(body):
        time.sleep(float(body))
        return "slow"
    def remembers(body):
        found = getattr(threading.current_thread(), "left", None)
        threading.current_thread().left = body
        return found if body == "never" else "kept"
    def large(body): return "x" * 20_000_000
    def deep(body):
        def call(): return call()
        return call()
    def eats(body): return len(bytearray(1 << 62))
"""


@pytest.fixture(scope="module")
def service(start):
    return start(SOURCE, workers=2, request_timeout_seconds=2)


@pytest.mark.parametrize("path", ["/raises", "/leaves", "/deep", "/eats"])
def test_f39_function_that_raises_or_exits_gets_500_and_no_text_of_it(service, path):
    before = service.pids()
    answer = service.request(path, "x")
    assert (answer.status, answer.json["error"]) == (500, "function-failed")
    assert b"secret" not in answer.body
    assert b"Traceback" not in answer.body
    assert b"serving.py" not in answer.body
    service.wait_for(lambda: answer.json["request_id"] in service.err)
    assert service.pids() == before


@pytest.mark.parametrize("path", ["/exits", "/crashes"])
def test_f39_worker_that_dies_gets_503_and_is_replaced_alone(service, path):
    service.wait_for(lambda: service.metric("liminal_serving_workers ") == 2)
    before = service.pids()
    answer = service.request(path, "x")
    assert (answer.status, answer.json["error"]) == (503, "worker-died")
    assert answer.headers["retry-after"] == "1"
    assert service.request("/good", "x").body == b"good", "the other worker does not notice"
    service.wait_for(lambda: service.metric("liminal_serving_workers ") == 2)
    assert len(set(before) & set(service.pids())) == 1
    assert len(service.pids()) == 2


def test_f39_killed_worker_costs_no_request_and_is_replaced(service):
    service.wait_for(lambda: service.metric("liminal_serving_workers ") == 2)
    before = service.pids()
    os.kill(before[0], signal.SIGKILL)
    # A call that it had not read goes to the other worker.
    assert {service.request("/good", "x").status for _ in range(50)} == {200}
    service.wait_for(lambda: len(set(service.pids()) - {before[0]}) == 2)
    assert before[1] in service.pids()


@pytest.mark.parametrize(("path", "reason"), [("/sleeps", "hung"), ("/blocks", "unresponsive")])
def test_f39_hung_call_gets_504_at_the_deadline_and_only_its_worker_is_replaced(
    service, path, reason
):
    service.wait_for(lambda: service.metric("liminal_serving_workers ") == 2)
    before = service.pids()
    replaced = f'liminal_serving_worker_replacements_total{{reason="{reason}"}}'
    count = service.metric(replaced)
    hung = service.in_background(path, body="x")
    delays = []
    while hung.is_alive() or service.metric(replaced) == count:
        began = time.monotonic()
        assert service.request("/healthz").status == 200
        delays.append(time.monotonic() - began)
        time.sleep(0.05)
        assert len(delays) < 600, "it was not replaced"
    assert (hung.answer.status, hung.answer.json["error"]) == (504, "deadline")
    assert sorted(delays)[len(delays) // 2] < 0.1
    service.wait_for(lambda: len(set(before) & set(service.pids())) == 1)
    service.wait_for(lambda: service.metric("liminal_serving_workers ") == 2)
    assert service.request("/good", "x").body == b"good"


def test_f39_late_call_that_ends_after_all_costs_no_worker(service):
    service.wait_for(lambda: service.metric("liminal_serving_workers ") == 2)
    before = service.pids()
    assert service.request("/slow", "3").status == 504
    time.sleep(2)
    assert service.pids() == before
    assert service.request("/good", "x").status == 200


def test_f39_state_does_not_leak_between_requests(service):
    for number in range(5):
        service.request("/remembers", f"secret {number}")
    # What a function hangs on a thread is its own doing; what we carry must not mix.
    ids = {
        service.request("/good", "x", X_Request_Id=f"id-{n}").headers["x-request-id"]
        for n in range(9)
    }
    assert ids == {f"id-{n}" for n in range(9)}


def test_f39_answers_are_not_mixed_up_under_load(start):
    service = start("def echo(body): return body", workers=2)
    threads = [service.in_background("/echo", body=f"body {n}" * 500) for n in range(60)]
    for number, thread in enumerate(threads):
        thread.join()
        assert thread.answer.body == f"body {number}".encode() * 500


def test_f39_large_result_arrives_whole(service):
    assert len(service.request("/large", "x").body) == 20_000_000


def test_f39_module_that_breaks_later_leaves_the_other_workers_in_service(start):
    service = start(
        """
        import os, pathlib
        if pathlib.Path("broken").exists():
            raise RuntimeError("a new version that does not load")
        def good(body): return "good"
        def exits(body): os._exit(3)
        """,
        workers=2,
    )
    (service.folder / "broken").touch()
    assert service.request("/exits", "x").status == 503
    service.wait_for(lambda: "cannot be replaced yet" in service.err)
    assert service.request("/good", "x").body == b"good"
    assert service.request("/readyz").status == 200
    (service.folder / "broken").unlink()
    service.wait_for(lambda: service.metric("liminal_serving_workers ") == 2)


def test_f39_only_worker_that_dies_leaves_503_until_its_successor_is_there(start):
    service = start(
        "import os\ndef exits(body): os._exit(3)\ndef good(body): return 'good'", workers=1
    )
    assert service.request("/exits", "x").status == 503
    service.wait_for(lambda: service.request("/good", "x").status == 200)
    assert service.request("/readyz").status == 200
