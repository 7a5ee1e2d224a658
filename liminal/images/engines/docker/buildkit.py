"""BuildKit, by Docker's command line: the ``docker`` package has no way to it."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from liminal.images.engines.docker.builders import Order
from liminal.images.engines.docker.tarball import EPOCH
from liminal.images.engines.process import Processes


@dataclass(frozen=True, slots=True)
class BuildKitCommand:
    """A command line of Docker with BuildKit.

    Attributes:
        path: of the command.
        buildx: whether its BuildKit is the plug-in, and not built in.
        environ: with DOCKER_HOST.
    """

    path: str
    buildx: bool
    environ: Mapping[str, str]

    @property
    def buildkit(self) -> bool:
        """True."""
        return True

    def build(self, order: Order, processes: Processes, output: Callable[[str], None]) -> str:
        """The id of the image, see `Builder`."""
        with tempfile.TemporaryDirectory(prefix="liminal-") as scratch:
            iid = Path(scratch, "iid")
            processes.run(
                [*self._words(order, iid), "-"],
                folder=Path(scratch),
                environ=self._environ(),
                output=output,
                holding=(order.lock,),
                outlives_us=False,
                stdin=order.tar,
            )
            return iid.read_text().strip()

    def _words(self, order: Order, iid: Path) -> list[str]:
        words = [self.path, "build", "--progress=plain", f"--iidfile={iid}", "-f", order.dockerfile]
        if self.buildx:
            # Into the engine itself, whatever builder somebody has chosen for other work.
            words += ["--load", "--builder=default", f"--build-arg=SOURCE_DATE_EPOCH={EPOCH}"]
        words += [f"--label={name}={value}" for name, value in sorted(order.labels.items())]
        words += [f"--secret=id={name},src={path}" for name, path in order.secrets.items()]
        words += [f"--build-arg={name}" for name in order.arguments]
        return [*words, "--no-cache"] if order.no_cache else words

    def _environ(self) -> dict[str, str]:
        kept = {name: value for name, value in self.environ.items() if name != "DOCKER_CONTEXT"}
        # Attestations would make another image of the same content.
        return {**kept, "DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
