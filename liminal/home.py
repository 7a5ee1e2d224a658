"""The folders of ``$LIMINAL_HOME``: everything that Liminal keeps on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """``$LIMINAL_HOME``, by default ``~/liminal_home``. Safe to delete while nothing runs."""

    path: Path

    @property
    def environments(self) -> Path:
        """One virtual environment for each set of requirements."""
        return self.path / "environments"

    @property
    def images(self) -> Path:
        """What the local engine built: one folder an image, one in it for each content hash."""
        return self.path / "images"

    @property
    def locks(self) -> Path:
        """One file for each image that an engine elsewhere builds, held meanwhile."""
        return self.path / "locks"

    @property
    def runs(self) -> Path:
        """Logs and outputs of ``liminal run``: ``APP/PIPELINE/RUN``."""
        return self.path / "runs"

    @property
    def airflow(self) -> Path:
        """The embedded Airflow: its database, settings, password and logs."""
        return self.path / "airflow"

    @property
    def verdicts(self) -> Path:
        """Which applications of large projects ``liminal validate`` knows to be sound."""
        return self.path / "verdicts"

    @property
    def jobs(self) -> Path:
        """What container tasks of Airflow run in on this machine, until their end is read."""
        return self.path / "jobs"

    @property
    def dags(self) -> Path:
        """The DAGs folder that ``liminal deploy`` writes to where no other is named."""
        return self.path / "dags"

    @property
    def env_file(self) -> Path:
        """KEY=VALUE lines that are added to each container task's environment."""
        return self.path / "env"


def find_home(environ: Mapping[str, str], user_home: Path) -> Home:
    """The home that the environment names, or the default one in the user's folder.

    Raises:
        ValueError: it begins with the name of a user whom this machine does not have.
    """
    named = environ.get("LIMINAL_HOME")
    if not named:
        return Home(user_home / "liminal_home")
    path = expand(named)
    if str(path).startswith("~"):
        raise ValueError(f'LIMINAL_HOME is "{named}", and this machine has no such user')
    return Home(path.absolute())


def expand(written: str) -> Path:
    """The path with a user's folder for ``~`` or ``~user``; unchanged where there is no such user.

    Source: POSIX shell, 2.6.1 "Tilde Expansion"; most shells leave it, where pathlib raises.
    """
    try:
        return Path(written).expanduser()
    except RuntimeError:
        return Path(written)
