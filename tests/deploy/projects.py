"""Projects to deploy, as short as a test wants them, and what Airflow would find of them."""

import hashlib
from pathlib import Path

from liminal.commands import releases
from liminal.compiler import compile_path
from liminal.deploy.layout import VERSIONS, app_folders
from liminal.deploy.release import Release
from liminal.plugins import discover

PLUGINS = discover()


def project(folder: Path, app: str = "app", **commands: str) -> Path:
    """A project with a pipeline for each keyword, of one task that runs the command."""
    pipelines = "".join(
        f"""
  - pipeline: {name}
    tasks:
      - task: only
        image: elsewhere/image:1
        cmd: '{command}'"""
        for name, command in commands.items()
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "liminal.yml").write_text(f"name: {app}\npipelines:{pipelines or ' []'}\n")
    return folder


def compiled(folder: Path) -> tuple[Release, ...]:
    """The releases of the project."""
    return releases(compile_path(str(folder), {}, PLUGINS), PLUGINS, "local", {})


def seen(dags: Path) -> dict[str, str]:
    """DAG -> the hash of its plan, as the loaders in the folder lead to it."""
    found = {}
    for app in app_folders(dags):
        current = app.current()
        if current is None:
            continue
        pipelines = app.pipelines(current.release)
        for loader in sorted(app.path.glob("*.py")):
            if loader.stem in pipelines:
                plan = app.plan(current.release, loader.stem).read_bytes()
                found[loader.stem] = hashlib.sha256(plan).hexdigest()[:16]
                assert found[loader.stem] == pipelines[loader.stem]
    return found


def files(folder: Path) -> dict[str, bytes]:
    """Relative path -> content, of all files but the lock and the records of earlier versions."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".liminal.lock" and path.parent.name != VERSIONS
    }
