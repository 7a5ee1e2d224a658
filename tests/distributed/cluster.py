"""A team's Airflow on one machine: PostgreSQL, Redis, Celery, and workers that think they are two machines.

Each worker has a host name of its own (a UTS namespace), a `LIMINAL_HOME` of its own, its own
`AIRFLOW_HOME` and its own storage of bundles; shared are the DAGs folder, the logs and the volume of the
models, as on a real cluster.
"""  # noqa: E501 - the first line says what it is

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

from liminal.errors import ServerError
from liminal.runners.processes import members
from liminal.server.api import Api

HEARTBEAT_TIMEOUT_SECONDS = 20
"""After that long a task whose worker is gone is noticed; Airflow's default is 300."""

MARK = "LIMINAL_SERVER"
"""A variable that all processes of the cluster and their tasks have: by it they are found."""

PASSWORD = "distributed"

T = TypeVar("T")


@dataclass
class Part:
    """A server that runs, in a session of its own."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def end(self, number: signal.Signals) -> None:
        """Send the signal to all of its processes."""
        for pid in members(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


@dataclass
class Cluster:
    """PostgreSQL, Redis, and an Airflow with two Celery workers.

    Attributes:
        folder: everything of it.
        python: of the environment that Airflow, Celery and Liminal are in.
        postgres: the folder of PostgreSQL's programs.
    """

    folder: Path
    python: Path
    postgres: Path
    parts: dict[str, Part] = field(default_factory=dict)
    data: Path | None = None
    api: Api = field(init=False)

    def __post_init__(self) -> None:
        self.ports = dict(zip(("postgres", "redis", "airflow"), free_ports(3), strict=True))
        self.dags = self.folder / "dags"
        self.pinned = self.folder / "pinned"
        for path in (self.dags, self.pinned, self.folder / "logs"):
            path.mkdir(parents=True)
        (self.folder / "passwords.json").write_text(json.dumps({"admin": PASSWORD}))
        keys = [os.urandom(32) for _ in range(3)]
        self.fernet_key, self.jwt_secret, self.secret_key = (
            base64.urlsafe_b64encode(key).decode() for key in keys
        )

    def start(self) -> None:
        """Start all of it; comes back once it works."""
        self._start_postgres()
        self._start_redis()
        self.run("airflow", "db", "migrate")
        self.begin("api-server", "api-server")
        self.begin("scheduler", "scheduler", "--skip-serve-logs")
        self.begin("dag-processor", "dag-processor")
        for name in ("worker-1", "worker-2"):
            self.start_worker(name)
        self.api = self._when("the API server answers", self._open_api, 90)
        self._when("both workers answer", self._workers, 90)

    def end(self) -> list[str]:
        """End all of it; the answer names what had to be killed."""
        for part in self.parts.values():
            part.end(signal.SIGTERM)
        until = time.monotonic() + 8
        while self.left() and time.monotonic() < until:
            time.sleep(0.2)
        killed = [f"{pid} {words}" for pid, words in self.left().items()]
        while left := self.left():
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        for part in self.parts.values():
            part.process.wait()
        if self.data is not None:
            shutil.rmtree(self.data, ignore_errors=True)
        return killed

    def left(self) -> dict[int, str]:
        """What runs of it, by number: the sessions that it began, and who has its mark."""
        found = {pid for part in self.parts.values() for pid in members(part.process.pid)}
        words = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if process.pid in found or process.environ().get(MARK) == str(self.folder):
                    words[process.pid] = " ".join(process.cmdline())[:100]
        return words

    def start_worker(self, name: str) -> None:
        """Start a worker that takes one task at a time, on a machine of that name."""
        words = ("celery", "worker", "--concurrency", "1", "--skip-serve-logs")
        self.begin(name, *words, "--celery-hostname", f"{name}@%h", machine=name)

    def begin(self, name: str, *words: str, machine: str = "main") -> None:
        """Start a part of Airflow."""
        command = [str(self.python.with_name("airflow")), *words]
        if machine != "main":
            rename = 'hostname "$0" && exec "$@"'
            command = ["unshare", "--uts", "sh", "-c", rename, machine, *command]
        self._begin(name, command, self.environ(machine))

    def run(self, program: str, *words: object, machine: str = "main") -> str:
        """What a command of the environment prints; it must succeed."""
        done = subprocess.run(
            [str(self.python.with_name(program)), *map(str, words)],
            env=self.environ(machine),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (
            f"{program} {words}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
        return done.stdout

    def home(self, machine: str) -> Path:
        """The `LIMINAL_HOME` on that machine."""
        return self.folder / machine / "liminal_home"

    def environ(self, machine: str) -> dict[str, str]:
        """The environment on that machine: the same settings everywhere, and its own folders."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW", "LIMINAL_", "PYTEST"))
        }
        return {
            **kept,
            **self._settings(),
            "AIRFLOW_HOME": str(self.folder / machine / "airflow"),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(
                self.folder / machine / "bundles"
            ),
            "LIMINAL_HOME": str(self.home(machine)),
            "LIMINAL_ENGINE": "local",
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
            MARK: str(self.folder),
        }

    def _settings(self) -> dict[str, str]:
        database = f"postgres@127.0.0.1:{self.ports['postgres']}/airflow"
        url = f"http://127.0.0.1:{self.ports['airflow']}"
        bundles = [
            {
                "name": "dags-folder",
                "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                "kwargs": {"path": str(self.dags), "refresh_interval": 1},
            },
            {
                "name": "liminal",
                "classpath": "liminal.runners.airflow.bundle.ReleaseBundle",
                "kwargs": {"folder": str(self.pinned), "refresh_interval": 1},
            },
        ]
        timeout = str(HEARTBEAT_TIMEOUT_SECONDS)
        given = {
            "core": {
                "executor": "CeleryExecutor",
                "load_examples": "False",
                "dags_are_paused_at_creation": "False",
                "min_serialized_dag_update_interval": "0",
                "hostname_callable": "socket.gethostname",
                "fernet_key": self.fernet_key,
                "execution_api_server_url": f"{url}/execution/",
                "auth_manager": "airflow.api_fastapi.auth.managers.simple."
                "simple_auth_manager.SimpleAuthManager",
                "simple_auth_manager_users": "admin:admin",
                "simple_auth_manager_passwords_file": str(self.folder / "passwords.json"),
                "simple_auth_manager_all_admins": "False",
            },
            "api_auth": {"jwt_secret": self.jwt_secret},
            "api": {
                "host": "127.0.0.1",
                "port": str(self.ports["airflow"]),
                "base_url": url,
                "workers": "1",
                "secret_key": self.secret_key,
            },
            "database": {"sql_alchemy_conn": f"postgresql+psycopg2://{database}"},
            "celery": {
                "broker_url": f"redis://127.0.0.1:{self.ports['redis']}/0",
                "result_backend": f"db+postgresql+psycopg2://{database}",
            },
            "logging": {"base_log_folder": str(self.folder / "logs")},
            "scheduler": {
                "enable_health_check": "False",
                "task_instance_heartbeat_timeout": timeout,
                "task_instance_heartbeat_timeout_detection_interval": "2",
            },
            "workers": {"min_heartbeat_interval": "2"},
            "dag_processor": {
                "dag_bundle_config_list": json.dumps(bundles),
                "bundle_refresh_check_interval": "1",
                "refresh_interval": "1",
                "parsing_processes": "1",
                "min_file_process_interval": "5",
            },
            "usage_data_collection": {"enabled": "False"},
        }
        return {
            f"AIRFLOW__{section}__{key}".upper(): value
            for section, keys in given.items()
            for key, value in keys.items()
        }

    def _start_postgres(self) -> None:
        # Its own folder: PostgreSQL does not run as root, and root's temporary folders are closed.
        self.data = Path(tempfile.mkdtemp(prefix="liminal-postgres-"))
        as_whom: Sequence[str] = ()
        if os.geteuid() == 0:
            shutil.chown(self.data, "postgres", "postgres")
            as_whom = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
        initdb = [str(self.postgres / "initdb"), "-D", str(self.data), "-U", "postgres"]
        subprocess.run(
            [*as_whom, *initdb, "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        port = self.ports["postgres"]
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "port": str(port),
            "fsync": "off",
        }
        flags = [word for item in options.items() for word in ("-c", "=".join(item))]
        command = [*as_whom, str(self.postgres / "postgres"), "-D", str(self.data), *flags]
        self._begin("postgres", command, {**os.environ})
        createdb = [str(self.postgres / "createdb"), "-h", "127.0.0.1", "-p", str(port)]
        self._when("PostgreSQL answers", lambda: self._answers(port), 30)
        subprocess.run([*createdb, "-U", "postgres", "airflow"], check=True, cwd="/")

    def _start_redis(self) -> None:
        port = self.ports["redis"]
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port)]
        self._begin("redis", [*command, "--save", "", "--appendonly", "no"], {**os.environ})
        self._when("Redis answers", lambda: self._answers(port), 30)

    def _begin(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd="/" if name == "postgres" else self.folder,
                env=environ,
                start_new_session=True,
            )
        self.parts[name] = Part(name, process, log)

    def _answers(self, port: int) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    def _open_api(self) -> Api | None:
        with contextlib.suppress(ServerError):
            return Api(f"http://127.0.0.1:{self.ports['airflow']}", PASSWORD)
        return None

    def _workers(self) -> bool:
        logs = [self.parts[name].log.read_text() for name in ("worker-1", "worker-2")]
        return all(" ready." in log for log in logs)

    def _when(self, what: str, found: Callable[[], T], seconds: float) -> T:
        until = time.monotonic() + seconds
        while not (value := found()):
            for part in self.parts.values():
                status = part.process.poll()
                assert status is None, f"{part.name} ended ({status}): {tail(part.log)}"
            assert time.monotonic() < until, f"waited {seconds} s in vain: {what}"
            time.sleep(0.2)
        return value


def free_ports(count: int) -> list[int]:
    """So many ports of this machine that nothing listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def tail(file: Path) -> str:
    """The last lines of a log."""
    return "\n".join(file.read_text(errors="replace").splitlines()[-30:])
