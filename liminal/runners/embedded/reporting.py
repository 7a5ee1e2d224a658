"""The metrics of a run on their way to the pipeline's backends. None of them can fail the run."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping

from liminal.model import MetricsBackend
from liminal.origin import Origin
from liminal.plan.dag import PipelinePlan
from liminal.plugins import PluginError, Plugins
from liminal.runners import Stop

PATIENCE_SECONDS = 30.0
"""How long the backends of a pipeline may take together."""

_DEFAULT = MetricsBackend(name="log", type="log", origin=Origin("", 1, 1))


async def report(
    metrics: Mapping[str, float],
    plan: PipelinePlan,
    plugins: Plugins,
    output: Callable[[bytes], None],
    stop: Stop,
) -> None:
    """Send the measurements to each backend; what they log becomes the output of the task.

    A backend may block, so they get a thread. One that hangs is left there when `stop` is asked or
    our patience ends; it does not keep the command from ending.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def write(line: str) -> None:
        with contextlib.suppress(RuntimeError):  # the run is over, and its event loop closed
            loop.call_soon_threadsafe(_unless(done, output), f"{line}\n".encode())

    def send() -> None:
        with _logged(write):
            for backend in plan.metrics or (_DEFAULT,):
                _send(metrics, plan, plugins, backend, write)
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, done)

    threading.Thread(target=send, name="liminal-metrics", daemon=True).start()
    asked = asyncio.ensure_future(stop.wait())
    await asyncio.wait({done, asked}, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not done.done():
        output(b"the metrics backends did not answer in time\n")
        done.cancel()


def _send(
    metrics: Mapping[str, float],
    plan: PipelinePlan,
    plugins: Plugins,
    backend: MetricsBackend,
    write: Callable[[str], None],
) -> None:
    try:
        kind = plugins.metrics(backend.type)
        for name, value in metrics.items():
            kind.report(name, value, {"ApplicationName": plan.pipeline}, backend.settings)
    except (OSError, PluginError) as problem:
        write(f'the metrics backend "{backend.name}" did not take the metrics: {problem}')
    except Exception as problem:  # a plug-in's bug, or its library's own kind of error
        kind_of_problem = type(problem).__name__
        write(f'the metrics backend "{backend.name}" failed: {kind_of_problem}: {problem}')


@contextlib.contextmanager
def _logged(write: Callable[[str], None]) -> Iterator[None]:
    """Give what the backends log in this thread to `write`, and to nobody else."""
    loggers = logging.getLogger("liminal.metrics")
    handler = _LinesOf(write, threading.get_ident())
    before = loggers.level, loggers.propagate
    loggers.addHandler(handler)
    loggers.setLevel(logging.INFO)
    loggers.propagate = False
    try:
        yield
    finally:
        loggers.removeHandler(handler)
        loggers.propagate = before[1]
        loggers.setLevel(before[0])


class _LinesOf(logging.Handler):
    """Passes on what one thread logs."""

    def __init__(self, write: Callable[[str], None], thread: int) -> None:
        super().__init__(logging.INFO)
        self._write = write
        self._thread = thread

    def emit(self, record: logging.LogRecord) -> None:
        """Pass it on."""
        if record.thread == self._thread:
            self._write(record.getMessage())


def _unless(
    done: "asyncio.Future[None]", output: Callable[[bytes], None]
) -> Callable[[bytes], None]:
    """The same output, closed once nobody waits for it any more."""

    def guarded(data: bytes) -> None:
        if not done.cancelled():
            output(data)

    return guarded


def _settle(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)
