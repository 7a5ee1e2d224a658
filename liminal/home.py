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
    def runs(self) -> Path:
        """Logs and outputs of ``liminal run``: ``APP/PIPELINE/RUN``."""
        return self.path / "runs"

    @property
    def services(self) -> Path:
        """What a running ``liminal serve`` needs on disk."""
        return self.path / "services"

    @property
    def verdicts(self) -> Path:
        """Which applications of large projects ``liminal validate`` knows to be sound."""
        return self.path / "verdicts"

    @property
    def env_file(self) -> Path:
        """KEY=VALUE lines that are added to each container task's environment."""
        return self.path / "env"


def find_home(environ: Mapping[str, str], user_home: Path) -> Home:
    """The home that the environment names, or the default one in the user's folder."""
    named = environ.get("LIMINAL_HOME")
    return Home(Path(named).expanduser().absolute() if named else user_home / "liminal_home")
