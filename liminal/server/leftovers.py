"""What outlives the parts of a server: jobs of container tasks, and services that were killed."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from liminal.home import Home
from liminal.plugins import Plugins
from liminal.runners import Machine
from liminal.runners.embedded.recovery import recover
from liminal.runners.jobs import Job
from liminal.server.ending import end_strays, strays


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Ends what is left once the parts of a home's server are gone: processes and containers."""

    machine: Machine
    plugins: Plugins

    def end(self, tell: Callable[[str], None] = lambda words: None) -> tuple[str, ...]:
        """Ends all of it, in good order where that is possible; says what it was, in words.

        A job that has ended stays: its result is for the next attempt of its task.

        Args:
            tell: takes what could not be ended.
        """
        words = list(end_jobs(self.machine.home))
        # Twice: what is ended may have started something the moment before.
        for _ in range(2):
            words += [f"ended {one}" for one in end_strays(strays(self.machine.home))]
        try:
            words += asyncio.run(recover(self.machine, self.plugins))
        except OSError as error:
            tell(f"what killed commands left could not be looked for: {error.strerror}")
        return tuple(words)


def end_jobs(home: Home) -> tuple[str, ...]:
    """Stops the jobs that run, and removes what dead ones left; says which, in words."""
    folders = sorted(home.jobs.iterdir()) if home.jobs.is_dir() else []
    jobs = [job for job in map(Job, folders) if job.lives() or job.ended() is None]
    if not jobs:
        return ()
    with ThreadPoolExecutor(max_workers=len(jobs)) as pool:
        list(pool.map(_end, jobs))
    return tuple(f"ended the job {job.folder.name}" for job in jobs)


def _end(job: Job) -> None:
    if job.lives():
        job.stop()
    else:
        job.recover()
