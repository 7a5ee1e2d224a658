"""The metrics backends against real receivers: a UDP socket, an HTTP server, moto's CloudWatch."""

from __future__ import annotations

import base64
import builtins
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from liminal.metrics.aws_cloudwatch import AwsCloudWatch
from liminal.metrics.prometheus import Prometheus
from liminal.metrics.statsd import Statsd
from liminal.plugins import discover

PIPELINE = {"ApplicationName": "my_pipeline"}


def test_they_come_in_by_their_entry_points() -> None:
    assert set(discover().names("liminal.metrics")) >= {
        *("aws_cloudwatch", "log", "prometheus", "statsd")
    }


# statsd


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        yield listening


def test_statsd_sends_one_gauge(receiver: socket.socket) -> None:
    where = {"host": "127.0.0.1", "port": receiver.getsockname()[1]}
    Statsd().report("JobDuration", 12.5, PIPELINE, where)
    assert receiver.recv(1000) == b"liminal.my_pipeline.JobDuration:12.5|g"
    Statsd().report("JobResult", 1, {"ApplicationName": "a|b:c"}, {**where, "prefix": "team.ml"})
    assert receiver.recv(1000) == b"team.ml.a_b_c.JobResult:1|g"


def test_statsd_that_is_down_is_not_noticed(receiver: socket.socket) -> None:
    port = receiver.getsockname()[1]
    receiver.close()
    Statsd().report("JobStarted", 1, PIPELINE, {"host": "127.0.0.1", "port": port})


def test_statsd_says_when_its_host_has_no_address() -> None:
    with pytest.raises(OSError, match=r"[Nn]ame|address|resolution"):
        Statsd().report("JobStarted", 1, PIPELINE, {"host": "no-such-host.invalid"})


# prometheus


@dataclass
class Pushgateway:
    """What a Pushgateway was sent; it answers with `status`."""

    port: int = 0
    status: int = 200
    requests: list[tuple[str, str, bytes, Any]] = field(default_factory=list)


@pytest.fixture
def gateway() -> Iterator[Pushgateway]:
    got = Pushgateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.requests.append((self.command, self.path, body, self.headers))
            self.send_response(got.status)
            self.end_headers()
            if got.status != 200:
                self.wfile.write(b"pushed metrics are invalid\n")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    got.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield got
    server.shutdown()
    server.server_close()


def test_prometheus_replaces_one_metric_of_the_pipelines_group(gateway: Pushgateway) -> None:
    url = f"http://127.0.0.1:{gateway.port}/"
    Prometheus().report("JobDuration", 12.5, PIPELINE, {"url": url})
    ((method, path, body, headers),) = gateway.requests
    assert (method, path) == ("POST", "/metrics/job/liminal/ApplicationName/my_pipeline")
    assert body == b"# TYPE JobDuration gauge\nJobDuration 12.5\n"
    assert headers["Content-Type"].startswith("text/plain")


def test_prometheus_keeps_a_label_with_a_slash_in_one_piece(gateway: Pushgateway) -> None:
    settings = {"url": f"http://127.0.0.1:{gateway.port}"}
    Prometheus().report("JobResult", 1, {"ApplicationName": "a/b c"}, settings)
    Prometheus().report("JobResult", 1, {"ApplicationName": "b c"}, settings)
    encoded = base64.urlsafe_b64encode(b"a/b c").decode()
    assert [path for _, path, _, _ in gateway.requests] == [
        f"/metrics/job/liminal/ApplicationName@base64/{encoded}",
        "/metrics/job/liminal/ApplicationName/b%20c",
    ]


def test_prometheus_sends_credentials_as_a_header_and_never_in_a_message(
    gateway: Pushgateway,
) -> None:
    settings = {"url": f"http://user:canary%21@127.0.0.1:{gateway.port}/gateway"}
    Prometheus().report("JobResult", 1, PIPELINE, settings)
    ((_, path, _, headers),) = gateway.requests
    assert path.startswith("/gateway/metrics/job/")
    expected = base64.b64encode(b"user:canary!").decode()
    assert headers["Authorization"] == f"Basic {expected}"
    gateway.status = 400
    with pytest.raises(
        OSError, match="answered 400 Bad Request: pushed metrics are invalid"
    ) as why:
        Prometheus().report("JobResult", 1, PIPELINE, settings)
    assert "canary" not in str(why.value)


@pytest.mark.parametrize(
    "url", ["file:///etc/hostname", "ftp://localhost", "", "http://127.0.0.1:1"]
)
def test_prometheus_that_is_down_or_no_address_is_an_oserror(url: str) -> None:
    with pytest.raises(OSError, match=r"http|refused"):
        Prometheus().report("JobResult", 1, PIPELINE, {"url": url})


def test_prometheus_takes_what_does_not_speak_http_as_an_oserror() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example.com ESMTP\r\n")

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(OSError, match="does not speak HTTP"):
            Prometheus().report("JobResult", 1, PIPELINE, {"url": url})


# aws_cloudwatch

KEYS = {
    "AWS_REGION_NAME": "us-east-1",
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "canary",
}


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import boto3
    from moto.server import ThreadedMotoServer

    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    yield boto3.client(
        "cloudwatch",
        region_name="us-east-1",
        aws_access_key_id="id",
        aws_secret_access_key="secret",
    )
    server.stop()


def test_cloudwatch_has_the_metric_with_its_dimension(cloudwatch: Any) -> None:
    AwsCloudWatch().report("JobDuration", 12.5, PIPELINE, {"namespace": "DataPipeline", **KEYS})
    (metric,) = cloudwatch.list_metrics(Namespace="DataPipeline")["Metrics"]
    assert metric["MetricName"] == "JobDuration"
    assert metric["Dimensions"] == [{"Name": "ApplicationName", "Value": "my_pipeline"}]


def test_cloudwatch_takes_region_and_credentials_of_the_environment(
    cloudwatch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    AwsCloudWatch().report("JobResult", 1, PIPELINE, {"namespace": "DataPipeline"})
    assert cloudwatch.list_metrics(Namespace="DataPipeline")["Metrics"]


def test_cloudwatch_that_is_down_is_an_oserror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(OSError, match="Could not connect") as why:
        AwsCloudWatch().report("JobResult", 1, PIPELINE, {"namespace": "DataPipeline", **KEYS})
    assert "canary" not in str(why.value)


def test_cloudwatch_without_boto3_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "boto3":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(OSError, match=r"pip install liminal\[aws\]"):
        AwsCloudWatch().report("JobResult", 1, PIPELINE, {"namespace": "DataPipeline", **KEYS})
