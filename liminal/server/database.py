"""Airflow's database: made once, brought to each new version of Airflow, and healed half-way."""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

from liminal.errors import ServerError
from liminal.files import PRIVATE_FILE
from liminal.runners.records import read_record, write_record
from liminal.server.folder import ServerFolder

LAST_LINES = 20
"""Lines of a failed command that are shown."""

_PATIENCE_SECONDS = 600
_SUFFIXES = ("", "-wal", "-shm", "-journal")


def airflow_version() -> str:
    """The version of Airflow beside Liminal.

    Raises:
        ServerError: there is none.
    """
    try:
        return metadata.version("apache-airflow-core")
    except metadata.PackageNotFoundError as problem:
        raise ServerError(
            "Airflow is not installed beside Liminal", hint="pip install 'liminal[airflow]'"
        ) from problem


def prepare_database(
    folder: ServerFolder,
    version: str,
    python: Path,
    environ: Mapping[str, str],
    tell: Callable[[str], None],
) -> None:
    """Brings the database to this version of Airflow, if it is not there.

    A migration that was killed is begun again: from nothing where there was nothing before it, else
    from the copy that was made before it.

    Raises:
        ServerError: the database is damaged, or Airflow could not migrate it.
    """
    state = read_record(folder.migration)
    if state.get("state") == "begun":
        tell(f"the migration to Airflow {state.get('version')} was cut off: it is begun again")
        _restore(folder, state.get("copy"))
        state = {"version": state.get("from")}
    if folder.database.exists():
        _check(folder)
        folder.database.chmod(PRIVATE_FILE)  # Airflow makes it as the umask of its day says
        if state.get("version") == version and state.get("state") == "done":
            return
    copy = _copy(folder, state.get("version"))
    write_record(
        folder.migration,
        {
            "version": version,
            "state": "begun",
            "from": state.get("version"),
            "copy": None if copy is None else copy.name,
        },
    )
    tell(f"{'making' if copy is None else 'migrating'} the database of Airflow {version}")
    _migrate(folder, python, environ)
    write_record(folder.migration, {"version": version, "state": "done"})


def last_job(folder: ServerFolder) -> int:
    """The number of the newest of Airflow's jobs: those of this start get higher ones."""
    try:
        connection = sqlite3.connect(f"file:{folder.database}?mode=ro", uri=True, timeout=10)
        try:
            return int(connection.execute("SELECT max(id) FROM job").fetchone()[0] or 0)
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        return 0


def _check(folder: ServerFolder) -> None:
    """Whether it can be read at all; what is in it is Airflow's to judge."""
    try:
        connection = sqlite3.connect(f"file:{folder.database}?mode=ro", uri=True, timeout=10)
        try:
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as problem:
        raise ServerError(
            f'the database "{folder.database}" cannot be read: {problem}',
            hint="move it away to begin with an empty one: the history of runs is in it, your "
            "pipelines are not",
        ) from problem


def _copy(folder: ServerFolder, version: object) -> Path | None:
    """A copy of the database as it is; None where there is none."""
    if not folder.database.exists():
        return None
    target = folder.database.with_name(f"airflow.db.{version or 'earlier'}")
    # Not a copy of the file: what was written last may be in the log beside it.
    source = sqlite3.connect(folder.database)
    copied = sqlite3.connect(target)
    try:
        source.backup(copied)
    finally:
        source.close()
        copied.close()
    return target


def _restore(folder: ServerFolder, copy: str | None) -> None:
    for suffix in _SUFFIXES:
        folder.database.with_name(folder.database.name + suffix).unlink(missing_ok=True)
    if copy is not None and (folder.path / copy).exists():
        shutil.copy(folder.path / copy, folder.database)


def _migrate(folder: ServerFolder, python: Path, environ: Mapping[str, str]) -> None:
    command = [str(python), "-m", "airflow", "db", "migrate"]
    log = folder.log("migration")
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                command,
                cwd=folder.path,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_PATIENCE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as problem:
            raise ServerError(
                f"Airflow did not migrate its database within {_PATIENCE_SECONDS} s",
                hint=f'its log is "{log}"',
            ) from problem
    if done.returncode != 0:
        raise ServerError(
            f"Airflow could not migrate its database (exit status {done.returncode}):\n"
            + last_lines(log),
            hint=f'if it was made by a newer Airflow, move "{folder.database}" away',
        )


def last_lines(log: Path, count: int = LAST_LINES) -> str:
    """The last lines of the file; empty where it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 64 * 1024))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-count:])
