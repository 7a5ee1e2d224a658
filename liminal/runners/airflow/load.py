"""A loader's file -> its DAG. What every parse and every task pays for, so it imports little."""

from pathlib import Path
from typing import TYPE_CHECKING

from liminal.collector import collector_paused
from liminal.deploy.layout import AppFolder, Unreadable, read_record
from liminal.plan.serial import CompiledPipeline, UnreadablePlan, from_json

if TYPE_CHECKING:
    from airflow.sdk import DAG


class DoesNotLoad(Exception):
    """Why a pipeline is no DAG; Airflow shows this among its import errors."""


def load(file: str) -> dict[str, "DAG"]:
    """The DAG of the loader, under a name for its module; none if it is not deployed any more.

    Args:
        file: the loader's own ``__file__``.

    Raises:
        DoesNotLoad: the one exception, so that what Airflow shows of it is what matters.
    """
    # A plan and a DAG are thousands of objects and no garbage: a tenth of the time of a parse.
    with collector_paused():
        return _loaded(Path(file))


def _loaded(path: Path) -> dict[str, "DAG"]:
    problem = None
    try:
        compiled = read_pipeline(path)
        if compiled is None:
            return {}
        from liminal.runners.airflow.factory import Unbuildable, dag_of

        try:
            return {"dag": dag_of(compiled)}
        except Unbuildable as unbuildable:
            problem = str(unbuildable)
    except (Unreadable, UnreadablePlan, OSError) as error:
        problem = f"{path.parent.name}/{path.name}: error[deployment]: {error}"
    raise DoesNotLoad(problem)


def read_pipeline(loader: Path) -> CompiledPipeline | None:
    """The compiled pipeline that the loader stands for; None if it is not in what counts now.

    Raises:
        Unreadable, UnreadablePlan, OSError: it cannot be read.
    """
    folder = AppFolder(loader.parent)
    record = read_record(folder.path / "current.json")
    if record is None:
        return None
    release, elsewhere = str(record.get("release")), record.get("folder")
    if elsewhere is not None:  # a version of our bundle: its releases are where they were deployed
        folder = AppFolder(Path(elsewhere))
    plan = folder.plan(release, loader.stem)
    try:
        text = plan.read_bytes()
    except FileNotFoundError:
        if loader.stem in folder.pipelines(release):
            raise
        return None
    return from_json(text)
