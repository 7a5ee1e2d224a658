"""BuildKit, by Docker's command line: the ``docker`` package has no way to it."""

import json
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
            told = Path(scratch, "told")
            processes.run(
                [*self._words(order, told), "-"],
                folder=Path(scratch),
                environ=self._environ(),
                output=output,
                holding=(order.lock,),
                outlives_us=False,
                stdin=order.tar,
            )
            text = told.read_text()
        return str(json.loads(text)["containerimage.digest"]) if self.buildx else text.strip()

    def _words(self, order: Order, told: Path) -> list[str]:
        if self.buildx:
            words = [
                # By its name: Docker 20.10 may have the plug-in, and not use it for "build".
                *(self.path, "buildx", "build"),
                # Into the engine itself, whatever builder somebody has chosen for other work.
                *("--load", "--builder=default", f"--build-arg=SOURCE_DATE_EPOCH={EPOCH}"),
                # Not --iidfile: that is the digest of the configuration, by which an engine with
                # containerd's image store does not find the image (docker/buildx#3952).
                f"--metadata-file={told}",
            ]
        else:
            words = [self.path, "build", f"--iidfile={told}"]
        words += ["--progress=plain", "-f", order.dockerfile]
        words += [f"--label={name}={value}" for name, value in sorted(order.labels.items())]
        words += [f"--secret=id={name},src={path}" for name, path in order.secrets.items()]
        words += [f"--build-arg={name}" for name in order.arguments]
        return [*words, "--no-cache"] if order.no_cache else words

    def _environ(self) -> dict[str, str]:
        kept = {name: value for name, value in self.environ.items() if name != "DOCKER_CONTEXT"}
        # Attestations would make another image of the same content.
        return {**kept, "DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
