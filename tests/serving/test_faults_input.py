"""F38: bad input. Every refusal is a 4xx with a JSON body, and nothing is cut short."""

from __future__ import annotations

import gzip

import pytest

SOURCE = """
    from dataclasses import dataclass
    @dataclass
    class Row:
        width: float
    def mapping(body: dict): return body
    def text(body: str): return str(len(body or ""))
    def raw(body: bytes): return str(len(body))
    def row(body: Row): return body
    def json_of(body: list): return body
"""


@pytest.fixture(scope="module")
def service(start):
    return start(SOURCE, max_body_mb=1)


def refused(answer, status, error):
    assert (answer.status, answer.json["error"]) == (status, error)
    assert set(answer.json) == {"error", "detail", "request_id"}
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    return answer.json["detail"]


@pytest.mark.parametrize("body", ["{", '{"a": }', "[1,]", "nul", "{'a': 1}", '{"a": 1} x', '"\t"'])
def test_f38_malformed_json_is_refused(service, body):
    detail = refused(service.request("/mapping", body), 400, "invalid-json")
    assert "line 1 column" in detail


def test_f38_deep_json_is_refused(service):
    body = "[" * 100_000 + "]" * 100_000
    assert "nested deeper" in refused(service.request("/json_of", body), 400, "invalid-json")
    body = "[" * 201 + "]" * 201
    assert "nested deeper" in refused(service.request("/json_of", body), 400, "invalid-json")
    body = "[" * 200 + "]" * 200
    assert service.request("/json_of", body).status == 200


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400 + ".0"])
def test_f38_nan_is_refused(service, number):
    body = '{"a": ' + number + "}"
    detail = refused(service.request("/mapping", body), 400, "invalid-json")
    assert "number" in detail


def test_f38_number_with_too_many_digits_is_refused(service):
    refused(service.request("/mapping", '{"a": ' + "1" * 5000 + "}"), 400, "invalid-json")


def test_f38_duplicate_key_is_refused(service):
    detail = refused(service.request("/mapping", '{"a": 1, "a": 2}'), 400, "invalid-json")
    assert 'the key "a" is there twice' in detail


@pytest.mark.parametrize("path", ["/mapping", "/text"])
def test_f38_bytes_that_are_not_utf_8_are_refused(service, path):
    answer = service.request(path, b'{"a": "\xff"}')
    assert answer.status == 400
    assert "not UTF-8 at byte 7" in answer.json["detail"]


def test_f38_wrong_type_missing_and_unknown_field_are_refused(service):
    assert 'field "width"' in refused(service.request("/row", '{"width": "x"}'), 422, "mismatch")
    assert "is missing" in refused(service.request("/row", "{}"), 422, "mismatch")
    body = '{"width": 1, "lenght": 2}'
    assert "is unknown" in refused(service.request("/row", body), 422, "mismatch")


def test_f38_null_bytes_are_data_like_any(service):
    assert service.request("/text", "a\x00b").body == b"3"
    assert service.request("/mapping", '{"a": "\\u0000"}').json == {"a": "\x00"}


def test_f38_body_over_the_limit_is_refused_unread(service):
    answer = service.exchange(
        b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n" + b"x" * 1000
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"body-too-large"' in answer


def test_f38_body_at_the_limit_arrives_whole(service):
    assert service.request("/raw", b"x" * (1 << 20)).body == str(1 << 20).encode()
    refused(service.request("/raw", b"x" * ((1 << 20) + 1)), 413, "body-too-large")


def chunks(size: int, count: int) -> bytes:
    return b"%x\r\n%s\r\n" % (size, b"x" * size) * count


def test_f38_chunked_body_is_counted_and_never_truncated(service):
    head = b"POST /raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    close = b"Connection: close\r\n\r\n"
    whole = service.exchange(head + close + chunks(1 << 10, 1 << 10) + b"0\r\n\r\n")
    assert whole.startswith(b"HTTP/1.1 200 ")
    assert whole.endswith(str(1 << 20).encode())
    over = service.exchange(head + b"\r\n" + chunks(1 << 10, (1 << 10) + 1) + b"0\r\n\r\n")
    assert over.startswith(b"HTTP/1.1 413 ")


def test_f38_chunked_body_without_end_is_refused_at_the_limit(service):
    with service.connect() as connection:
        connection.sendall(b"POST /raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(64):
                connection.sendall(chunks(1 << 15, 1))
        except ConnectionError:
            pass
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_f38_wrong_method_and_unknown_paths_are_refused(service):
    answer = service.request("/raw", method="DELETE")
    refused(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, POST"
    refused(service.request("/raw", method="FETCH"), 405, "method-not-allowed")
    for path in ("/nope", "/raw/", "/../etc/passwd", "/raw%00", "/%2e%2e/raw", "//raw", "/RAW"):
        assert service.request(path).status == 404, path
    refused(service.request("/healthz", "x"), 405, "method-not-allowed")


def test_f38_ambiguous_length_smuggles_no_second_request(service):
    # RFC 9112, 6.3: Transfer-Encoding wins, and the connection must be closed.
    before = service.metric('liminal_serving_requests_total{endpoint="/text"')
    answer = service.exchange(
        b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nPOST /text HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    )
    assert answer.count(b"HTTP/1.1 ") == 1
    assert service.metric('liminal_serving_requests_total{endpoint="/text"') == before


def test_f38_two_lengths_and_bad_lengths_are_refused(service):
    for length in (b"5\r\nContent-Length: 6", b"-1", b"x", b"5, 6"):
        answer = service.exchange(
            b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + b"\r\n\r\nabcde"
        )
        assert answer.startswith(b"HTTP/1.1 400 "), length


def test_f38_compressed_bomb_is_refused(service):
    bomb = gzip.compress(b"x" * (1 << 24))
    answer = service.request("/text", bomb, Content_Encoding="gzip")
    refused(answer, 415, "compressed")


def test_f38_large_headers_are_refused(service):
    # 64 KiB and what comes with the last read; the service closes while we still send.
    answer = service.exchange(
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 1_000_000 + b"\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_f38_service_is_as_well_as_before(service):
    assert service.request("/text", "abc").body == b"3"
    assert len(service.pids()) == 1
    assert "internal" not in service.out
