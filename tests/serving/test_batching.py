"""Micro-batching: one call for many requests, and nobody fails for another."""

from __future__ import annotations

import json
import threading
import time

import pytest

from liminal.serving.batching import Batcher
from liminal.serving.config import Batch
from liminal.serving.results import BadResult


def together(batcher: Batcher, values: list[object]) -> list[object]:
    """What each of concurrent callers gets, in their order."""
    found: list[object] = [None] * len(values)

    def call(number: int, value: object) -> None:
        try:
            found[number] = batcher.call(value)
        except Exception as error:
            found[number] = error

    threads = [threading.Thread(target=call, args=item) for item in enumerate(values)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


def test_concurrent_items_go_in_one_call_and_each_gets_its_own_result():
    calls = []

    def double(items):
        calls.append(list(items))
        return [item * 2 for item in items]

    batcher = Batcher(double, Batch(max_size=10, max_wait_ms=5000))
    assert together(batcher, list(range(10))) == [number * 2 for number in range(10)]
    assert len(calls) == 1


def test_batch_is_never_larger_than_max_size():
    sizes = []

    def sizes_of(items):
        sizes.append(len(items))
        return items

    together(Batcher(sizes_of, Batch(max_size=4, max_wait_ms=50)), list(range(30)))
    assert sum(sizes) == 30
    assert max(sizes) <= 4


def test_lone_item_waits_no_longer_than_max_wait():
    began = time.monotonic()
    assert Batcher(lambda items: items, Batch(max_size=100, max_wait_ms=10)).call(1) == 1
    assert time.monotonic() - began < 5


def test_item_that_fails_does_not_fail_the_others():
    def inverse(items):
        return [1 / item for item in items]

    found = together(Batcher(inverse, Batch(max_size=4, max_wait_ms=5000)), [1, 0, 2, 4])
    assert isinstance(found[1], ZeroDivisionError)
    assert [found[0], found[2], found[3]] == [1, 0.5, 0.25]


def test_exception_in_the_place_of_a_result_fails_that_item_alone():
    found = together(
        Batcher(lambda items: [ValueError("no"), 1], Batch(max_size=2, max_wait_ms=5000)), [1, 2]
    )
    assert sorted(type(one).__name__ for one in found) == ["ValueError", "int"]


@pytest.mark.parametrize("result", [[1], [1, 2, 3], None, "ab"])
def test_result_that_is_not_a_list_of_as_many_is_a_fault(result):
    found = together(Batcher(lambda items: result, Batch(max_size=2, max_wait_ms=5000)), [1, 2])
    if result == [1]:  # right for one item, so right when each gets its own call
        assert found == [1, 1]
    else:
        assert all(isinstance(one, BadResult) for one in found)


def test_batched_endpoint_checks_and_answers_each_request_alone(start):
    service = start(
        """
        from dataclasses import dataclass
        @dataclass
        class Row:
            width: float
        def predict(rows: list[Row]) -> list:
            return [{"p": row.width / 2, "batch": len(rows)} for row in rows]
        def texts(items): return [(item, 201) for item in items]
        """,
        batch={"predict": {"max_size": 8, "max_wait_ms": 500}, "texts": {}},
    )
    requests = [service.in_background("/predict", body=json.dumps({"width": n})) for n in range(8)]
    bad = service.request("/predict", '{"width": "x"}')
    assert bad.status == 422
    for number, request in enumerate(requests):
        request.join()
        assert request.answer.json["p"] == number / 2
    assert max(request.answer.json["batch"] for request in requests) > 1
    assert service.request("/texts", "hi").status == 201
