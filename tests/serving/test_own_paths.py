"""Metrics, documentation and traces."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from liminal.serving.config import read_config
from liminal.serving.openapi import openapi_document
from liminal.serving.own_paths import collisions

SOURCE = """
    from dataclasses import dataclass
    @dataclass
    class Row:
        width: float
        kind: str = "iris"
    def predict(row: Row):
        '''The probability that it is an iris virginica.

        More that nobody needs.
        '''
        return row
    def text(body): return body
    def boom(body): raise ValueError
    def version(): return {"model_version": "7"}
"""


@pytest.fixture(scope="module")
def service(start):
    return start(SOURCE)


def test_metrics_count_requests_errors_durations_and_tell_the_models_version(service):
    for _ in range(3):
        service.request("/predict", '{"width": 1}')
    service.request("/boom", "x")
    for path in ("/a", "/b", "/c"):
        service.request(path)
    text = service.request("/metrics").body.decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }

    def value(name, **labels):
        return samples[(f"liminal_serving_{name}", *sorted(labels.items()))]

    assert value("requests_total", endpoint="/predict", method="POST", status="200") == 3
    assert value("requests_total", endpoint="/boom", method="POST", status="500") == 1
    assert value("errors_total", endpoint="/boom", error="function-failed") == 1
    assert value("request_duration_seconds_count", endpoint="/predict") == 3
    assert value("requests_total", endpoint="other", method="GET", status="404") == 3
    assert value("in_flight") == 1
    assert value("workers") == 1
    assert value("model_info", module="serving", version="7") == 1


def test_model_replaced_while_serving_changes_the_version_without_a_restart(start):
    service = start(
        """
        import pathlib
        def version(): return pathlib.Path("model").read_text()
        """,
        wait=False,
    )
    (service.folder / "model").write_text("1")
    service.wait_until_ready()
    assert service.metric('liminal_serving_model_info{module="serving",version="1"}') == 1
    (service.folder / "model").write_text("2")
    assert service.metric('liminal_serving_model_info{module="serving",version="2"}') == 1


def test_openapi_document_describes_each_endpoint(service):
    document = service.request("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    operation = document["paths"]["/predict"]["post"]
    assert operation["summary"] == "The probability that it is an iris virginica."
    content = operation["requestBody"]["content"]["application/json"]
    assert content["schema"]["required"] == ["width"]
    assert content["example"] == {"width": 1.0, "kind": "iris"}
    assert service.request("/predict", json.dumps(content["example"])).status == 200
    assert "requestBody" not in document["paths"]["/predict"]["get"]


def test_pydantic_definitions_move_to_the_components(tmp_path):
    import pydantic

    from liminal.serving.shapes import shape_of

    petal = pydantic.create_model("Petal", width=(float, ...))
    flower = pydantic.create_model("Flower", petal=(petal, ...))
    path = tmp_path / "service.json"
    endpoint = {"endpoint": "/p", "module": "m", "function": "f", "methods": ["POST"]}
    path.write_text(json.dumps({"service": "iris", "endpoints": [endpoint]}))
    schema = shape_of(list[flower]).schema
    description = {"content_type": "application/json", "schema": schema, "required": True}
    document = openapi_document(read_config(path, 1), [description])
    assert "Petal" in document["components"]["schemas"]
    assert "$defs" not in json.dumps(document)
    content = document["paths"]["/p"]["post"]["requestBody"]["content"]["application/json"]
    assert content["example"] == [{"petal": {"width": 1.0}}]


def test_docs_page_is_whole_in_itself(service):
    answer = service.request("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = answer.body.decode()
    assert "https://" not in page
    assert "http://" not in page
    assert 'fetch("openapi.json")' in page


def test_path_of_the_user_wins_with_a_warning(client_of, caplog, tmp_path):
    client = client_of("def healthz(body): return 'mine'\ndef docs(body): return 'my docs'")
    assert client.get("/healthz").text == "mine"
    assert client.get("/docs").text == "my docs"
    assert 'the endpoint "/healthz" takes the place' in caplog.text
    assert collisions(read_config(tmp_path / "service.json", 1)) == ["/docs", "/healthz"]


def test_traceparent_is_taken_over_into_the_log(service):
    trace = "0af7651916cd43dd8448eb211c80319c"
    service.request("/text", "x", traceparent=f"00-{trace}-b7ad6b7169203331-01")
    service.wait_for(lambda: any(line.get("trace_id") == trace for line in service.lines))
    for bad in ("00-" + "0" * 32 + "-b7ad6b7169203331-01", "ff-x", "nonsense"):
        assert service.request("/text", "x", traceparent=bad).status == 200


class _Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, self.headers, json.loads(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


def test_spans_go_to_the_collector_that_the_environment_names(start, monkeypatch):
    collector = http.server.HTTPServer(("127.0.0.1", 0), _Collector)
    collector.received = []
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    service = start(SOURCE)
    trace = "0af7651916cd43dd8448eb211c80319c"
    service.request("/text", "x", traceparent=f"00-{trace}-b7ad6b7169203331-01")
    service.request("/text", "x", traceparent=f"00-{trace}-b7ad6b7169203331-00")
    service.request("/boom", "x")
    service.stop()
    spans = []
    for path, headers, body in collector.received:
        assert path == "/v1/traces"
        assert headers["x-key"] == "a b"
        (resource,) = body["resourceSpans"]
        names = {item["key"]: item["value"] for item in resource["resource"]["attributes"]}
        assert names["service.name"] == {"stringValue": "iris"}
        spans += resource["scopeSpans"][0]["spans"]
    collector.shutdown()
    collector.server_close()
    assert [span["name"] for span in spans] == ["POST /text", "POST /boom"]
    assert (spans[0]["traceId"], spans[0]["parentSpanId"]) == (trace, "b7ad6b7169203331")
    assert spans[1]["status"] == {"code": 2}
    assert len(spans[1]["traceId"]) == 32
