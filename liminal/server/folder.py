"""Where the embedded Airflow keeps its things: ``$LIMINAL_HOME/airflow``.

::

    airflow.cfg       every setting, written anew at each start; 0600, for it holds the keys
    airflow.db        Airflow's database
    secrets.json      the keys, made once; 0600
    passwords.json    user -> password, made once; 0600
    migration.json    which version of Airflow the database was brought to
    server.json       what runs, for ``stop``, ``status`` and the next ``start``
    dags/             DAGs that somebody wrote by hand, beside the deployed ones
    bundles/          Airflow's copies of the deployed loaders, one folder a version
    lock              held as long as the supervisor lives
    logs/             of the tasks, by DAG and run; of the server's parts under logs/server
"""

from dataclasses import dataclass
from pathlib import Path

from liminal.errors import ServerError
from liminal.files import PRIVATE_FOLDER, make_private_folder
from liminal.home import Home


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """The folder of the embedded Airflow."""

    path: Path

    @property
    def config(self) -> Path:
        """Airflow's settings."""
        return self.path / "airflow.cfg"

    @property
    def database(self) -> Path:
        """Airflow's database, an SQLite file."""
        return self.path / "airflow.db"

    @property
    def secrets(self) -> Path:
        """The keys that Airflow signs and encrypts with."""
        return self.path / "secrets.json"

    @property
    def passwords(self) -> Path:
        """Airflow's own file of users and passwords."""
        return self.path / "passwords.json"

    @property
    def migration(self) -> Path:
        """How far the database is: for which version of Airflow, begun or done."""
        return self.path / "migration.json"

    @property
    def record(self) -> Path:
        """What runs."""
        return self.path / "server.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor: whoever gets it knows that none lives."""
        return self.path / "lock"

    @property
    def dags(self) -> Path:
        """DAGs that somebody wrote by hand; those of ``liminal deploy`` are in the home's."""
        return self.path / "dags"

    @property
    def bundles(self) -> Path:
        """Where Airflow keeps versions of what was deployed; by default a folder under /tmp."""
        return self.path / "bundles"

    @property
    def logs(self) -> Path:
        """The logs of tasks, as Airflow lays them out."""
        return self.path / "logs"

    def log(self, name: str) -> Path:
        """What the part of that name writes."""
        return self.logs / "server" / f"{name}.log"


def make_folder(home: Home) -> ServerFolder:
    """The folder, made where it is missing, open to its owner only.

    Raises:
        ServerError: it cannot be made or written to.
    """
    folder = ServerFolder(home.airflow)
    try:
        made = not home.path.is_dir()
        make_private_folder(folder.log("supervisor").parent)
        for path in (home.dags, folder.dags, folder.bundles):
            make_private_folder(path)
        # An older home may be open to others, who would find what tasks write to their logs.
        folder.path.chmod(PRIVATE_FOLDER)
        if made or home.path.stat().st_mode & 0o077:
            home.path.chmod(PRIVATE_FOLDER)
        probe = folder.path / ".writable"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise ServerError(
            f'the server cannot write to "{folder.path}": {error.strerror}',
            hint="LIMINAL_HOME names the folder that Liminal writes to",
        ) from error
    return folder
