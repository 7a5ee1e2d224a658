"""F40: slow clients, idle ones, and more requests than the service can take."""

from __future__ import annotations

import socket
import time
from collections import Counter

import pytest

from liminal.serving.slow_clients import close_silent

GOOD = "def good(body): return 'good'"


@pytest.fixture(scope="module")
def crowded(start):
    return start(
        """
        import time
        def good(body): return "good"
        def slow(body): time.sleep(1)
        """,
        workers=1,
        threads=8,
        request_timeout_seconds=3,
    )


def test_f40_slow_and_idle_clients_do_not_keep_others_from_an_answer(crowded):
    clients = [crowded.connect() for _ in range(350)]
    for client in clients[:300]:
        client.sendall(b"POST /good HTTP/1.1\r\nHost: x\r\nX-Slow:")
    for client in clients[300:]:
        client.sendall(b"POST /good HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    delays = []
    for _ in range(50):
        began = time.monotonic()
        assert crowded.request("/good", "x").body == b"good"
        delays.append(time.monotonic() - began)
    assert sorted(delays)[-2] < 1
    for client in clients:
        client.settimeout(30)
        # Closed by the service at its timeout, with an answer that says why or without one.
        answer = crowded.read_all(client)
        assert not answer or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 408"))
        client.close()


def test_f40_thousand_idle_connections_do_not_keep_others_from_an_answer(crowded):
    clients = [crowded.connect() for _ in range(1000)]
    assert crowded.request("/good", "x").body == b"good"
    for client in clients:
        client.close()


def test_f40_full_queue_gets_503_with_retry_after_at_once(crowded):
    # 8 run for a second, 256 wait, which is more than the timeout allows; the rest is refused.
    request = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
    clients = [crowded.connect() for _ in range(1000)]
    for client in clients:
        client.sendall(request)
    began = time.monotonic()
    assert crowded.request("/healthz").status == 200
    assert time.monotonic() - began < 5
    answers = [crowded.read_all(client) for client in clients]
    for client in clients:
        client.close()
    statuses = Counter(answer[9:12] for answer in answers)
    assert statuses[b"200"] >= 8
    assert set(statuses) <= {b"200", b"503", b"504"}, statuses
    refused = [answer for answer in answers if b'"queue-full"' in answer]
    assert len(refused) >= 300
    assert all(b"retry-after: 1" in answer.lower() for answer in refused)
    assert crowded.request("/good", "x").body == b"good"


def test_f40_connection_on_which_nothing_was_sent_is_closed():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            with accepted:
                assert close_silent(port, 60) == 0
                time.sleep(1.2)
                accepted.sendall(b"x")
                assert close_silent(port, 1) == 0
                time.sleep(1.2)
                assert close_silent(port, 1) == 1
                client.settimeout(10)
                assert client.recv(10) == b"x"
                assert client.recv(10) == b""
