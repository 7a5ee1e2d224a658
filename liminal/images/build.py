"""Builds several images side by side."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic

from liminal.errors import BuildError
from liminal.images.engines import Built, Engine
from liminal.images.events import BuildEvent, Failed, Report
from liminal.images.recipe import ImagePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Generic[Built]):
    """How the build of one image ended: exactly one of `built` and `error` is there."""

    image: ImagePlan
    built: Built | None = None
    error: BuildError | None = None


def build_all(
    images: Iterable[ImagePlan],
    engine: Engine[Built],
    jobs: int,
    report: Report,
    *,
    push: bool = False,
) -> tuple[Result[Built], ...]:
    """Builds the images, each once, and gives their results in their order.

    One that fails does not keep the others from being built.

    Args:
        images: two of the same name are one.
        engine: what builds them.
        jobs: how many at most at the same time, from 1.
        report: never called by two threads at the same time.
        push: whether each is pushed to its registry once it is built.

    Raises:
        Exception: a bug, or an interruption; whatever ran has then ended.
    """
    wanted = tuple({image.image.name: image for image in images}.values())
    lock = threading.Lock()

    def tell(event: BuildEvent) -> None:
        with lock:
            report(event)

    if jobs <= 1 or len(wanted) <= 1:
        return tuple(_build(image, engine, tell, push) for image in wanted)
    return _side_by_side(wanted, engine, jobs, tell, push)


def _build(image: ImagePlan, engine: Engine[Built], report: Report, push: bool) -> Result[Built]:
    try:
        built = engine.build(image, report)
        return Result(image=image, built=engine.push(built, report) if push else built)
    except BuildError as error:
        report(Failed(image=image.image.name))
        return Result(image=image, error=error)


@dataclass(frozen=True, slots=True)
class _Crew(Generic[Built]):
    """Threads that take images from one pile.

    Attributes:
        images: the pile, in reverse.
        problems: what other than a BuildError ended a thread.
    """

    images: list[ImagePlan]
    engine: Engine[Built]
    report: Report
    push: bool
    results: dict[str, Result[Built]] = field(default_factory=dict)
    problems: list[BaseException] = field(default_factory=list)

    def work(self) -> None:
        """Builds image after image; the work of one thread."""
        try:
            while (image := self._take()) is not None:
                self.results[image.image.name] = _build(image, self.engine, self.report, self.push)
        except BaseException as problem:
            self.problems.append(problem)
            self.stop()

    def _take(self) -> ImagePlan | None:
        try:
            return self.images.pop()
        except IndexError:
            return None  # the last one is taken, if only since we looked

    def stop(self) -> None:
        """Ends the builds that run, and begins no other."""
        self.images.clear()
        self.engine.cancel()


def _side_by_side(
    images: tuple[ImagePlan, ...], engine: Engine[Built], jobs: int, report: Report, push: bool
) -> tuple[Result[Built], ...]:
    crew = _Crew(list(reversed(images)), engine, report, push)
    threads = [threading.Thread(target=crew.work) for _ in range(min(jobs, len(images)))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        crew.stop()
        for thread in threads:
            thread.join()
        raise
    if crew.problems:
        # Those that follow are only the interruptions that the first one caused.
        raise crew.problems[0]
    return tuple(crew.results[image.image.name] for image in images)
