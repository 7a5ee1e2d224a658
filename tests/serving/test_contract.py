"""language.md, section 6: what an endpoint's function gets, and what becomes of its result."""

from __future__ import annotations

import json

import pytest

ARGUMENTS = """
    from __future__ import annotations
    from dataclasses import dataclass, field
    from typing import Any, Optional, TypedDict

    @dataclass
    class Petal:
        width: float
        length: float = 1.0

    @dataclass
    class Flower:
        petal: Petal
        names: list[str] = field(default_factory=list)

    class Row(TypedDict):
        width: float

    def bare(body): return [type(body).__name__, body]
    def text(body: str): return [type(body).__name__, body]
    def raw(body: bytes): return [type(body).__name__, len(body)]
    def mapping(body: dict): return [type(body).__name__, body]
    def items(body: list): return [type(body).__name__, body]
    def flower(body: Flower): return [type(body).__name__, body]
    def flowers(body: list[Flower]): return [type(body[0]).__name__, len(body)]
    def row(body: Row): return [type(body).__name__, body]
    def optional(body: Optional[Flower]): return [type(body).__name__, body]
    def default(body: dict = {"d": 1}): return [type(body).__name__, body]
    def anything(body: Any): return [type(body).__name__, body]
    def nothing(): return "no argument"
"""

FLOWER = {"petal": {"width": 2.1, "length": 1.0}, "names": ["iris"]}


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/bare", b"hi", ["str", "hi"]),
        ("/bare", b"", ["NoneType", None]),
        ("/bare", b"{}", ["str", "{}"]),
        ("/text", "hé".encode(), ["str", "hé"]),
        ("/text", b"", ["NoneType", None]),
        ("/raw", b"\xff\x00", ["bytes", 2]),
        ("/raw", b"", ["bytes", 0]),
        ("/mapping", b'{"a": 1}', ["dict", {"a": 1}]),
        ("/items", b"[1, 2]", ["list", [1, 2]]),
        ("/flower", b'{"petal": {"width": 2.1}, "names": ["iris"]}', ["Flower", FLOWER]),
        ("/flowers", b'[{"petal": {"width": 2}}]', ["Flower", 1]),
        ("/row", b'{"width": 2}', ["dict", {"width": 2.0}]),
        ("/optional", b"", ["NoneType", None]),
        ("/optional", b"null", ["NoneType", None]),
        ("/optional", b'{"petal": {"width": 2.1}, "names": ["iris"]}', ["Flower", FLOWER]),
        ("/default", b"", ["dict", {"d": 1}]),
        ("/anything", b"3", ["int", 3]),
    ],
)
def test_annotation_decides_the_argument(client_of, path, body, expected):
    answer = client_of(ARGUMENTS).post(path, data=body)
    assert answer.status_code == 200
    assert answer.json == expected


def test_function_without_argument_ignores_the_body(client_of):
    assert client_of(ARGUMENTS).post("/nothing", data="x").text == "no argument"


def test_get_and_post_are_the_default_methods(client_of):
    client = client_of(ARGUMENTS)
    assert client.get("/bare").json == ["NoneType", None]
    assert client.delete("/bare").status_code == 405
    assert client.delete("/bare").headers["Allow"] == "GET, POST"


def test_head_has_the_headers_of_get_and_no_body(client_of):
    answer = client_of(ARGUMENTS).head("/bare")
    assert (answer.status_code, answer.data) == (200, b"")


def test_content_type_of_the_client_does_not_matter(client_of):
    answer = client_of(ARGUMENTS).post(
        "/mapping", data=b'{"a": 1}', content_type="application/x-www-form-urlencoded"
    )
    assert answer.json == ["dict", {"a": 1}]


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("/flower", {}, 'field "petal" is missing'),
        ("/flower", {"petal": {"width": "x"}}, 'field "petal.width": expected a number'),
        ("/flower", {"petal": {"width": True}}, 'field "petal.width": expected a number'),
        ("/flower", {"petal": {"width": 1, "lenth": 2}}, 'did you mean "length"?'),
        ("/flower", {"petal": {"width": 1}, "names": [1]}, 'field "names[0]": expected text'),
        ("/flower", [], "the body: expected an object, found a list"),
        ("/flowers", [{"petal": 3}], 'field "[0].petal": expected an object, found the number 3'),
        ("/row", {"width": None}, 'field "width": expected a number, found null'),
        ("/mapping", [1], "the body: expected an object"),
        ("/items", {}, "the body: expected a list"),
    ],
)
def test_mismatch_gets_422_that_names_the_field(client_of, path, body, detail):
    answer = client_of(ARGUMENTS).post(path, json=body)
    assert answer.status_code == 422
    assert answer.json["error"] == "mismatch"
    assert detail in answer.json["detail"]
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


def test_all_mismatches_are_named_at_once(client_of):
    detail = client_of(ARGUMENTS).post("/flower", json={"names": 1, "x": 2}).json["detail"]
    assert detail.count("field") == 3


def test_text_that_is_not_json_gets_400_with_the_position(client_of):
    answer = client_of(ARGUMENTS).post("/mapping", data='{\n"a": x}')
    assert answer.status_code == 400
    assert "line 2 column 6" in answer.json["detail"]


def test_empty_body_where_json_is_expected_gets_400(client_of):
    assert client_of(ARGUMENTS).post("/mapping").status_code == 400


RESULTS = """
    from dataclasses import dataclass
    from datetime import date
    from enum import Enum

    @dataclass
    class Point:
        x: int
        on: date

    class Kind(Enum):
        GOOD = "good"

    def text(): return "plain"
    def raw(): return b"\\x00\\xff"
    def number(): return 0.5
    def yes(): return True
    def nothing(): return None
    def point(): return Point(1, date(2026, 1, 31))
    def nested(): return {"points": [Point(1, date(2026, 1, 31))], "kind": Kind.GOOD, "set": {1}}
    def pair(): return {"made": 1}, 201
    def text_pair(): return "gone", 410
    def plain_tuple(): return 1, 2, 3
    def unicode(): return {"é": "\\ud800"}
    def an_object(): return object()
    def not_a_number(): return {"p": float("nan")}
    def circle():
        value = []
        value.append(value)
        return value
    def lambda_(): return lambda: 1
"""


@pytest.mark.parametrize(
    ("path", "status", "body", "content_type"),
    [
        ("/text", 200, b"plain", "text/plain; charset=utf-8"),
        ("/raw", 200, b"\x00\xff", "application/octet-stream"),
        ("/number", 200, b"0.5", "application/json"),
        ("/yes", 200, b"true", "application/json"),
        ("/nothing", 200, b"null", "application/json"),
        ("/point", 200, b'{"x":1,"on":"2026-01-31"}', "application/json"),
        ("/pair", 201, b'{"made":1}', "application/json"),
        ("/text_pair", 410, b"gone", "text/plain; charset=utf-8"),
        ("/plain_tuple", 200, b"[1,2,3]", "application/json"),
    ],
)
def test_result_becomes_the_response(client_of, path, status, body, content_type):
    answer = client_of(RESULTS).get(path)
    assert (answer.status_code, answer.data) == (status, body)
    assert answer.headers["Content-Type"] == content_type


def test_nested_result_becomes_json(client_of):
    answer = client_of(RESULTS).get("/nested")
    assert answer.json == {"points": [{"x": 1, "on": "2026-01-31"}], "kind": "good", "set": [1]}


def test_lone_surrogate_is_escaped(client_of):
    assert json.loads(client_of(RESULTS).get("/unicode").data) == {"é": "\ud800"}


@pytest.mark.parametrize("path", ["/an_object", "/not_a_number", "/circle", "/lambda_"])
def test_f39_result_that_is_not_json_gets_500(client_of, caplog, path):
    answer = client_of(RESULTS).get(path)
    assert answer.status_code == 500
    assert answer.json["error"] == "function-failed"
    assert "no JSON form" in caplog.text
    assert answer.json["request_id"] in caplog.text


def test_numpy_and_pandas_results_become_json(client_of):
    client = client_of(
        """
        import numpy as np, pandas as pd
        def scalar(): return np.float32(0.5)
        def array(): return np.arange(4).reshape(2, 2)
        def inside(): return {"p": np.float64(0.5), "n": np.int64(3), "b": np.bool_(True)}
        def keys(): return {np.int64(1): np.array([1.5])}
        def series(): return pd.Series([1, 2])
        def frame(): return pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
        def stamp(): return {"t": pd.Timestamp("2026-01-31")}
        """
    )
    found = {rule: client.get(rule).json for rule in ("/scalar", "/array", "/inside", "/keys")}
    assert found == {
        "/scalar": 0.5,
        "/array": [[0, 1], [2, 3]],
        "/inside": {"p": 0.5, "n": 3, "b": True},
        "/keys": {"1": [1.5]},
    }
    assert client.get("/series").json == [1, 2]
    assert client.get("/frame").json == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert client.get("/stamp").json == {"t": "2026-01-31T00:00:00"}


def test_pydantic_models_are_checked_and_returned(client_of):
    client = client_of(
        """
        from pydantic import BaseModel, field_validator
        class Row(BaseModel):
            width: float
            tags: list[str] = []
            @field_validator("width")
            @classmethod
            def positive(cls, value):
                if value < 0:
                    raise ValueError("secret rule")
                return value
        def row(body: Row): return body
        def rows(body: list[Row]): return len(body)
        """
    )
    assert client.post("/row", json={"width": 2}).json == {"width": 2.0, "tags": []}
    answer = client.post("/rows", json=[{"width": 1, "tags": [1]}])
    assert answer.status_code == 422
    assert 'field "[0].tags[0]"' in answer.json["detail"]
    refused = client.post("/row", json={"width": -1})
    assert refused.status_code == 422
    assert "secret" not in refused.text


def test_exception_gets_500_with_the_id_of_the_log_and_no_text_of_it(client_of, caplog):
    client = client_of("def boom(body): raise ValueError('secret')")
    answer = client.post("/boom", data="x")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json["request_id"] in caplog.text
    assert "ValueError: secret" in caplog.text
    assert "results.py" not in caplog.text, "our own frames tell a user nothing"
    assert 'functions.py", line' not in caplog.text


def test_async_function_is_awaited(client_of):
    assert client_of("async def later(): return 1\ndef now(): return 2").get("/now").json == 2


def test_body_over_the_limit_gets_413(client_of):
    client = client_of(ARGUMENTS, max_body_mb=0.001)
    assert client.post("/bare", data=b"x" * 1048).status_code == 200
    answer = client.post("/bare", data=b"x" * 1049)
    assert answer.status_code == 413
    assert answer.json["error"] == "body-too-large"


def test_request_id_of_the_client_is_taken_over_when_it_is_decent(client_of):
    client = client_of(ARGUMENTS)
    assert client.get("/bare", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    other = client.get("/bare", headers={"X-Request-Id": "a b\t<script>"}).headers["X-Request-Id"]
    assert len(other) == 32
