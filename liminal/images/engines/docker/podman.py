"""Podman's own builder, which takes a folder, and knows mounts and secrets as BuildKit does."""

import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from liminal.images.engines.docker.builders import Order
from liminal.images.engines.docker.tarball import EPOCH
from liminal.images.engines.process import Processes


@dataclass(frozen=True, slots=True)
class PodmanCommand:
    """The command line of Podman.

    Attributes:
        path: of the command.
    """

    path: str
    environ: Mapping[str, str]

    @property
    def buildkit(self) -> bool:
        """True: not BuildKit, but it can do all that matters here."""
        return True

    def build(self, order: Order, processes: Processes, output: Callable[[str], None]) -> str:
        """The id of the image, see `Builder`."""
        with tempfile.TemporaryDirectory(prefix="liminal-") as scratch:
            context, iid = Path(scratch, "context"), Path(scratch, "iid")
            with tarfile.open(fileobj=order.tar, errors="surrogateescape") as tar:
                # Not as an argument, which Python knows only since 3.10.12; we have made the tar.
                tar.extraction_filter = staticmethod(lambda member, path: member)
                tar.extractall(context)  # noqa: S202
            processes.run(
                [*self._words(order, context, iid), str(context)],
                folder=Path(scratch),
                environ=self.environ,
                output=output,
                holding=(order.lock,),
                outlives_us=False,
            )
            return iid.read_text().strip()

    def _words(self, order: Order, context: Path, iid: Path) -> list[str]:
        words = [self.path, "build", f"--iidfile={iid}", "-f", str(context / order.dockerfile)]
        # Docker's format, for Podman's own has no SHELL, and its times would be those of the build.
        words += ["--format=docker", f"--timestamp={EPOCH}", "--layers"]
        words += [f"--label={name}={value}" for name, value in sorted(order.labels.items())]
        words += [f"--secret=id={name},src={path}" for name, path in order.secrets.items()]
        words += [f"--build-arg={name}" for name in order.arguments]
        return [*words, "--no-cache"] if order.no_cache else words
