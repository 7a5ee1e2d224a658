"""The embedded server: ``liminal start`` against ``airflow standalone``, in turns."""

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence

import psutil

from benchmarks.installed import CACHE, CHECKOUT, Installed
from benchmarks.measure import Figure

ROUNDS = 3
PARTS = ("scheduler", "dag_processor")


def figures(installed: Installed) -> Iterator[Figure]:
    """Ready, memory and stop; each first start has its database to make."""
    _install_airflow(installed)
    seconds: dict[str, list[float]] = {"liminal": [], "again": [], "standalone": [], "stop": []}
    memory: dict[str, list[float]] = {"liminal": [], "standalone": []}
    for _ in range(ROUNDS):
        for name, measure in (("standalone", _standalone), ("liminal", _liminal)):
            measured = measure(installed)
            seconds[name].append(measured["ready"])
            memory[name].append(measured["memory"])
            if name == "liminal":
                seconds["again"].append(measured["again"])
                seconds["stop"].append(measured["stop"])
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    resident = {name: statistics.median(values) for name, values in memory.items()}
    yield Figure(
        name="liminal start until it is ready, over airflow standalone, first start",
        value=middle["liminal"] / middle["standalone"],
        unit="x",
        limit=1.1,
        details=f"{middle['liminal']:.1f} s over {middle['standalone']:.1f} s",
    )
    yield Figure(name="  a later start", value=middle["again"], unit="s")
    yield Figure(
        name="memory of all processes (PSS), over airflow standalone",
        value=resident["liminal"] / resident["standalone"],
        unit="x",
        limit=0.8,
        details=f"{resident['liminal']:.0f} MB over {resident['standalone']:.0f} MB",
    )
    yield Figure(name="liminal stop", value=middle["stop"], unit="s", limit=20)


def _install_airflow(installed: Installed) -> None:
    """Airflow beside Liminal, with compiled bytecode, as pip leaves it for users."""
    environ = {name: value for name, value in os.environ.items() if "BYTECODE" not in name}
    command = [
        *(CHECKOUT / ".venv/bin/uv", "pip", "install", "--quiet", "--compile-bytecode"),
        *("--python", installed.bin / "python", "--constraint", CHECKOUT / "constraints.txt"),
        f"{CHECKOUT}[airflow]",
    ]
    subprocess.run(command, env=environ, check=True)


def _liminal(installed: Installed) -> Mapping[str, float]:
    home = CACHE / "server-home"
    shutil.rmtree(home, ignore_errors=True)
    environ = {**installed.environ, "LIMINAL_HOME": str(home)}
    command = installed.command("start", "--detach", "--no-services", "--port", str(_free_port()))
    try:
        ready = _seconds(command, environ)
        memory = _settled_memory(str(home))
        stop = _seconds(installed.command("stop"), environ)
        again = _seconds(command, environ)
    finally:
        _seconds(installed.command("stop"), environ)
    return {"ready": ready, "memory": memory, "stop": stop, "again": again}


def _standalone(installed: Installed) -> Mapping[str, float]:
    """With the same DAGs, none, and its own defaults for everything else."""
    home = CACHE / "standalone-home"
    shutil.rmtree(home, ignore_errors=True)
    port = _free_port()
    environ = {
        **installed.environ,
        "LIMINAL_HOME": str(home),  # the mark by which its processes are counted
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "PATH": f"{installed.bin}{os.pathsep}{os.environ['PATH']}",
    }
    began = time.perf_counter()
    process = subprocess.Popen(
        [installed.bin / "airflow", "standalone"],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not _is_healthy(port):
            time.sleep(0.1)
        return {"ready": time.perf_counter() - began, "memory": _settled_memory(str(home))}
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _is_healthy(port: int) -> bool:
    """Whether the API answers, and both hearts beat: what ``liminal start`` waits for too."""
    try:
        url = f"http://127.0.0.1:{port}/api/v2/monitor/health"
        with urllib.request.urlopen(url, timeout=2) as answer:
            health = json.load(answer)
    except (OSError, ValueError):
        return False
    return all(health[part]["status"] == "healthy" for part in PARTS)


def _seconds(command: Sequence[str], environ: Mapping[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=dict(environ), cwd=CACHE, check=True, capture_output=True)
    return time.perf_counter() - began


def _settled_memory(home: str) -> float:
    """MB of all processes of that home, once they are at rest.

    Pages that several share are counted once: summing what is resident would count them in every
    worker, of which ``standalone`` forks 32.
    """
    time.sleep(10)
    total = 0
    for process in psutil.process_iter():
        try:
            if _is_of(process, home):
                total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 1024 / 1024


def _is_of(process: psutil.Process, home: str) -> bool:
    """By the session's leader: workers write their titles over their environment."""
    try:
        leader = psutil.Process(os.getsid(process.pid))
        variables = {**process.environ(), **leader.environ()}
        return variables.get("LIMINAL_HOME") == home or process.cwd().startswith(home)
    except (psutil.Error, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
