"""The workers of a service: finds a free one for each call, replaces those that die or hang."""

from __future__ import annotations

import logging
import socket
import threading
import time
from pathlib import Path
from typing import Any, Protocol

from .config import ServiceConfig
from .problems import Problem, busy
from .results import Reply
from .wire import PING, READY, VERSION, Call, receive_reply, send_call, set_timeout
from .worker_process import LateCall, LoadFailure, WorkerProcess

logger = logging.getLogger(__name__)

QUEUE_LIMIT = 256
"""Calls that may wait for a free thread; more get 503 at once."""

_PING_SECONDS = 1.0
_LATE_SECONDS = 3.0  # what a late call is given to end by itself before its worker is replaced
_QUESTION_SECONDS = 2.0  # ready() and version()
_QUICK_DEATH_SECONDS = 10.0  # a worker that dies sooner is started again only after a pause
_LONGEST_PAUSE_SECONDS = 30.0


class PoolEvents(Protocol):
    """Who wants to know what happens to the workers; called from the pool's threads."""

    def loaded(self) -> None:
        """Every worker has loaded for the first time."""

    def failed(self, message: str) -> None:
        """The user's code cannot be loaded at the start; the pool does not go on."""

    def replaced(self, reason: str) -> None:
        """A worker is being replaced: "died", "unresponsive" or "hung"."""


class Pool:
    """Starts the workers, gives them calls, and keeps their number.

    Each worker has a *seat*, a thread that starts it, watches it and starts its successor.
    """

    def __init__(self, config: ServiceConfig, config_path: Path, events: PoolEvents) -> None:
        self._config = config
        self._config_path = config_path
        self._events = events
        self._changed = threading.Condition()
        self._started: list[WorkerProcess] = []
        self._loaded: list[WorkerProcess] = []
        self._descriptions: list[dict[str, Any]] = []
        self._waiting = 0
        self._ever_loaded = 0
        self._stopping = threading.Event()

    # What the application needs of it.

    def call(self, number: int, request_id: str, body: bytes) -> Reply:
        """The reply of a worker to one request.

        The timeout counts from the moment a worker has it; as long again it may wait for one.

        Raises:
            Problem: 503 when no worker can take it or the worker died, 504 at the deadline.
        """
        call = Call(number, request_id, body)
        while True:
            worker, slot = self._take()
            try:
                slot = slot or self._open_slot(worker)
                send_call(slot, call)
                reply = receive_reply(slot)
            except BlockingIOError:
                raise self._late(worker, slot) from None
            except Problem:
                self._release(worker)
                raise
            except OSError:
                # It died before it had read the call, so another worker may take it.
                self._lost(worker, slot)
                continue
            if reply is None:
                self._lost(worker, slot)
                raise busy("worker-died", "the worker that ran this request died; it is replaced")
            self._give_back(worker, slot)
            return reply

    def ready(self) -> bool:
        """Whether all workers have loaded once, one is there now, and its `ready()` says yes."""
        return self._ever_loaded >= self._config.workers and self._ask(READY, 200) is not None

    def versions(self) -> bytes:
        """The model versions as a JSON object by module, as far as a worker tells them."""
        reply = self._ask(VERSION, 200)
        return b"{}" if reply is None else reply.body

    def descriptions(self) -> list[dict[str, Any]]:
        """What the workers tell of each endpoint for its documentation; empty before they load."""
        return self._descriptions

    @property
    def loaded(self) -> int:
        """Workers that can take calls now."""
        return len(self._loaded)

    @property
    def waiting(self) -> int:
        """Calls that wait for a free thread now."""
        return self._waiting

    # Its own life.

    def start(self) -> None:
        """Starts all workers; returns before they have loaded."""
        for number in range(self._config.workers):
            threading.Thread(target=self._keep_seat, name=f"seat-{number}", daemon=True).start()

    def stop(self, seconds: float) -> None:
        """Ends all workers, with their modules' `on_stop()`; kills what is left after `seconds`."""
        until = time.monotonic() + seconds
        self._stopping.set()
        with self._changed:
            workers = list(self._started)
            self._loaded.clear()
        for worker in workers:
            worker.release()
        for worker in workers:
            worker.end(max(until - time.monotonic(), 0.1))

    # One call.

    def _open_slot(self, worker: WorkerProcess) -> socket.socket:
        slot = worker.open_slot()
        set_timeout(slot, self._config.request_timeout_seconds)
        return slot

    def _take(self) -> tuple[WorkerProcess, socket.socket | None]:
        """The least busy worker with a free thread, and an idle slot if it has one."""
        with self._changed:
            worker = self._free_worker()
            if worker is None:
                worker = self._wait_for_worker()
            worker.busy += 1
            return worker, worker.idle.pop() if worker.idle else None

    def _free_worker(self) -> WorkerProcess | None:
        if not self._loaded:
            raise busy("not-ready", "no worker is ready")
        worker = min(self._loaded, key=_busy_calls)
        return worker if worker.busy < self._config.threads else None

    def _wait_for_worker(self) -> WorkerProcess:
        if self._waiting >= QUEUE_LIMIT:
            raise busy("queue-full", "too many requests wait already")
        deadline = time.monotonic() + self._config.request_timeout_seconds
        self._waiting += 1
        try:
            while True:
                if not self._changed.wait(deadline - time.monotonic()):
                    raise busy("busy", "no worker became free in time")
                worker = self._free_worker()
                if worker is not None:
                    return worker
        finally:
            self._waiting -= 1

    def _give_back(self, worker: WorkerProcess, slot: socket.socket) -> None:
        with self._changed:
            worker.busy -= 1
            worker.idle.append(slot)
            self._changed.notify()

    def _release(self, worker: WorkerProcess) -> None:
        with self._changed:
            worker.busy -= 1
            self._changed.notify()

    def _lost(self, worker: WorkerProcess, slot: socket.socket | None) -> None:
        """A slot broke, so the worker is gone: no more calls for it."""
        with self._changed:
            worker.busy -= 1
            if worker in self._loaded:
                self._loaded.remove(worker)
            self._changed.notify_all()
        if slot is not None:
            slot.close()

    def _late(self, worker: WorkerProcess, slot: socket.socket | None) -> Problem:
        """The problem of a call at its deadline; the seat looks after the call from now on."""
        if slot is not None:
            with self._changed:
                worker.late.append(LateCall(slot, time.monotonic()))
            worker.wake()
        seconds = self._config.request_timeout_seconds
        return Problem(504, "deadline", f"the function took longer than {seconds:g} seconds")

    def _ask(self, number: int, status: int) -> Reply | None:
        """The first answer with this status of any worker that is there."""
        for worker in list(self._loaded):
            reply = worker.ask(number, _QUESTION_SECONDS)
            if reply is not None and reply.status == status:
                return reply
        return None

    # One seat.

    def _keep_seat(self) -> None:
        """The life of one seat: worker after worker, until the pool stops."""
        pause = 0.0
        worker = self._launch()
        while worker is not None:
            reason = self._watch(worker)
            if reason is None:
                return
            logger.warning("worker %d is replaced: %s", worker.process.pid, reason)
            self._events.replaced(reason)
            quick = time.monotonic() - worker.loaded_at < _QUICK_DEATH_SECONDS
            if reason == "hung":
                # Its other threads still serve, so it stays until its successor can.
                successor = self._launch()
                self._retire(worker)
                worker = successor
            else:
                self._remove(worker)
                # The first quick death costs no pause, a series of them more and more.
                self._stopping.wait(pause)
                pause = min(pause * 2 or 0.25, _LONGEST_PAUSE_SECONDS) if quick else 0.0
                worker = self._launch()

    def _launch(self) -> WorkerProcess | None:
        """A worker that has loaded; None when the pool stops or its first start fails."""
        pause = 1.0
        while not self._stopping.is_set():
            worker = WorkerProcess.start(self._config_path)
            with self._changed:
                self._started.append(worker)
            if self._stopping.is_set():  # stop() may not have seen this one
                worker.release()
            try:
                descriptions = worker.wait_until_loaded()
            except LoadFailure as failure:
                self._remove(worker)
                if self._stopping.is_set():
                    return None
                if self._ever_loaded < self._config.workers:
                    self._events.failed(str(failure))
                    return None
                logger.error("a worker cannot be replaced yet: %s", failure)
                self._stopping.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                continue
            self._admit(worker, descriptions)
            return worker
        return None

    def _admit(self, worker: WorkerProcess, descriptions: list[dict[str, Any]]) -> None:
        with self._changed:
            self._loaded.append(worker)
            self._descriptions = descriptions
            self._ever_loaded += 1
            complete = self._ever_loaded == self._config.workers
            self._changed.notify_all()
        if complete:
            self._events.loaded()

    def _watch(self, worker: WorkerProcess) -> str | None:
        """Why the worker must be replaced, when it must; None when the pool stops."""
        while True:
            died, woken, over = worker.wait_for_news(_time_left(worker))
            if self._stopping.is_set():
                return None
            if died:
                return "died"
            self._end_late_calls(worker, over)
            if woken and worker.late and worker.ask(PING, _PING_SECONDS) is None:
                return "unresponsive"
            if (_time_left(worker) or 1) <= 0:
                return "hung"

    def _end_late_calls(self, worker: WorkerProcess, over: list[LateCall]) -> None:
        """Frees the threads of late calls that ended after all."""
        with self._changed:
            for call in over:
                worker.late.remove(call)
                worker.busy -= 1
                call.slot.close()
            if over:
                self._changed.notify_all()

    def _retire(self, worker: WorkerProcess) -> None:
        """Takes a worker out of service, waits for its calls that are in time, and ends it."""
        with self._changed:
            if worker in self._loaded:
                self._loaded.remove(worker)
        until = time.monotonic() + self._config.request_timeout_seconds
        while worker.busy > len(worker.late) and time.monotonic() < until:
            time.sleep(0.05)
        self._remove(worker)

    def _remove(self, worker: WorkerProcess) -> None:
        """Kills a worker, if it still lives, and forgets it."""
        with self._changed:
            if worker in self._loaded:
                self._loaded.remove(worker)
            if worker in self._started:
                self._started.remove(worker)
            self._changed.notify_all()
        ending = worker.end()
        logger.info("worker %d ended: %s", worker.process.pid, ending)


def _busy_calls(worker: WorkerProcess) -> int:
    return worker.busy


def _time_left(worker: WorkerProcess) -> float | None:
    """Seconds until the oldest late call has used up its patience; None without one."""
    if not worker.late:
        return None
    return worker.late[0].since + _LATE_SECONDS - time.monotonic()
