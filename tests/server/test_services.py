"""Services beside the embedded Airflow: real ones, in an environment of their own."""

import json
import os
import signal
import urllib.request

from tests.server.conftest import Server, wait_until

PROJECT = """
name: parrot
images:
  - image: parrot
    type: python_server
    source: .
    endpoints: [{endpoint: /echo, module: parrot, function: echo}]
services:
  - {service: parrot, image: parrot, workers: 1}
  - {service: second, image: parrot, workers: 1}
"""


def heard(url: str) -> object:
    with urllib.request.urlopen(f"{url}/echo", data=b'{"a": 1}', timeout=30) as answer:
        return json.load(answer)


def service(server: Server, name: str) -> dict[str, object]:
    return next(one for one in server.status()["services"] if one["name"] == name)


def test_services_run_beside_it_and_are_started_again_when_they_die(own_server: Server) -> None:
    (own_server.cwd / "liminal.yml").write_text(PROJECT)
    (own_server.cwd / "parrot.py").write_text("def echo(body: dict) -> dict:\n    return body\n")
    done = own_server.liminal("start", "--detach", "--port", "0", "--engine", "local")
    assert done.returncode == 0, done.stderr
    parrot = service(own_server, "parrot")
    assert f"service parrot answers on {parrot['url']}" in done.stderr
    assert heard(str(parrot["url"])) == {"a": 1}
    assert heard(str(service(own_server, "second")["url"])) == {"a": 1}

    # The command that minds it is killed; what it ran must not hold the port.
    os.kill(int(str(parrot["pid"])), signal.SIGKILL)
    wait_until(
        lambda: (
            service(own_server, "parrot")["state"] == "running"
            and service(own_server, "parrot")["restarts"] == 1
        ),
        180,
        "the service",
    )
    assert heard(str(service(own_server, "parrot")["url"])) == {"a": 1}
    assert "answers on" in own_server.liminal("logs", "parrot").stdout
    assert own_server.stop().returncode == 0
    assert own_server.processes() == []


def test_a_service_that_does_not_start_stops_nothing_else(own_server: Server) -> None:
    (own_server.cwd / "liminal.yml").write_text(PROJECT)
    (own_server.cwd / "parrot.py").write_text(
        "def echo(body):\n    return body\n\nraise ValueError('not today')\n"
    )
    done = own_server.liminal("start", "--detach", "--port", "0", "--engine", "local")
    assert done.returncode == 0, done.stderr
    assert "service parrot exit status 6" in done.stderr
    assert own_server.status()["server"]["state"] in ("ready", "unhealthy")
    assert "ValueError: not today" in own_server.liminal("logs", "parrot").stdout
    own_server.stop()
    assert own_server.processes() == []
