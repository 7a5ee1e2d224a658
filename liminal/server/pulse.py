"""How the server is, as it says itself: asked over HTTP, with the standard library alone.

The supervisor lives as long as the server: the client library would cost it as much memory again.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from liminal.server.secrets import USER

STALE_SECONDS = 40.0
"""A heart that did not beat for that long has stopped; it beats every 5 seconds."""

SILENT_SECONDS = 60.0
"""An API server that answers nobody for that long hangs; on a busy machine it may be only slow."""

TIMEOUT_SECONDS = 5.0

JOBS = {
    "scheduler": "SchedulerJob",
    "dag-processor": "DagProcessorJob",
    "triggerer": "TriggererJob",
}
"""Part -> what Airflow calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The last heartbeat of a part.

    Attributes:
        job: Airflow's number for the process: each start gets a higher one.
        at: as Airflow writes it; only whether it changed counts, for a clock may be set.
    """

    job: int
    at: str


class Pulse:
    """Asks a server how it is."""

    def __init__(
        self, url: str, password: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._password = password
        self._token: str | None = None
        self._clock = clock
        self._seen: dict[str, tuple[Beat, float]] = {}

    def beats(self) -> Mapping[str, Beat] | None:
        """Part -> its last heartbeat; None where the API does not answer."""
        try:
            answer = self._get("/api/v2/jobs?order_by=-id&limit=100")
            return _newest(answer["jobs"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def silence(self, part: str, beat: Beat) -> float:
        """How long the part's heart has been silent, in seconds of a clock that is never set.

        A machine that was asleep counts none of it.
        """
        now = self._clock()
        seen = self._seen.get(part)
        if seen is None or seen[0] != beat:
            self._seen[part] = (beat, now)
            return 0.0
        return now - seen[1]

    def forget(self, part: str) -> None:
        """Begins to count anew: the part is started again."""
        self._seen.pop(part, None)

    def needs_triggerer(self) -> bool:
        """Whether a task waits for what only a triggerer sees."""
        try:
            tasks = "/api/v2/dags/~/dagRuns/~/taskInstances?state=deferred&limit=1"
            return bool(self._get(tasks)["total_entries"])
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _get(self, path: str) -> Any:
        try:
            return self._ask(path)
        except urllib.error.HTTPError as problem:
            if problem.code != 401:
                raise
        self._token = None  # it has expired, or the clock was set
        return self._ask(path)

    def _ask(self, path: str) -> Any:
        if self._token is None:
            body = json.dumps({"username": USER, "password": self._password}).encode()
            answer = _json(f"{self._url}/auth/token", {"Content-Type": "application/json"}, body)
            self._token = str(answer["access_token"])
        return _json(self._url + path, {"Authorization": f"Bearer {self._token}"})


def answers(url: str) -> bool:
    """Whether that address answers with 200."""
    try:
        with _opener().open(url, timeout=TIMEOUT_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def _opener() -> urllib.request.OpenerDirector:
    """Asks without a proxy: the one that the user's environment names is not for this machine."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _json(url: str, headers: Mapping[str, str], body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, body, dict(headers))  # noqa: S310  # ours, http always
    with _opener().open(request, timeout=TIMEOUT_SECONDS) as answer:
        return json.load(answer)


def _newest(jobs: list[dict[str, Any]]) -> dict[str, Beat]:
    names = {job: part for part, job in JOBS.items()}
    found: dict[str, Beat] = {}
    for job in jobs:
        part = names.get(job["job_type"])
        if part is None or (part in found and found[part].job > job["id"]):
            continue
        found[part] = Beat(job=int(job["id"]), at=str(job["latest_heartbeat"]))
    return found
