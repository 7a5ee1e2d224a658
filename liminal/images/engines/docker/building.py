"""Makes an image of the docker engine: the context, the build, a look into it, and its names."""

import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from liminal.errors import BuildError
from liminal.files import PRIVATE_FILE, make_private_folder
from liminal.images.context import Changed
from liminal.images.engines.docker.answers import unblocked
from liminal.images.engines.docker.builders import Order
from liminal.images.engines.docker.client import PLATFORM
from liminal.images.engines.docker.dockerfile import CA_BUNDLE, PIP_CONF, VARIABLES, needs_secrets
from liminal.images.engines.docker.failures import base_not_pulled, build_failed
from liminal.images.engines.docker.inputs import Inputs
from liminal.images.engines.docker.layout import (
    LABEL_APP,
    LABEL_BASE_DIGEST,
    LABEL_BASE_NAME,
    LABEL_SOURCE_HASH,
)
from liminal.images.engines.docker.progress import Progress, titles_of
from liminal.images.engines.docker.settings import PROXIES
from liminal.images.engines.docker.store import DockerImage, digest_of
from liminal.images.engines.docker.tarball import Piece, write_tar
from liminal.images.engines.docker.trial import try_functions
from liminal.images.engines.process import StepFailed
from liminal.images.engines.remarks import remark, waits_for
from liminal.images.engines.steps import Steps
from liminal.images.events import Finished, Note, Output, Report, Skipped, Started, Step
from liminal.images.recipe import ImagePlan
from liminal.lock import hold

if TYPE_CHECKING:
    from liminal.images.engines.docker import DockerEngine

_ATTEMPTS = 3
_OURS = "liminal.Dockerfile"
"""The Dockerfile that we make, in the context; nothing of the user's is at the top beside it."""


def make_image(engine: "DockerEngine", image: ImagePlan, report: Report) -> DockerImage:
    """Builds the image, unless another process has done it while this one waited.

    Raises:
        BuildError: what was built before remains under the name.
        EngineProblem: the same, for an engine that does not answer any more.
        Interrupted: the engine was cancelled.
    """
    name = image.image.name
    make_private_folder(engine.home.locks)
    started = time.monotonic()
    with hold(
        engine.lock(name), waiting=waits_for(name, report), pause=engine.processes.pause
    ) as lock:
        for attempt in range(_ATTEMPTS):
            inputs = engine.read(image)
            there = None if inputs.recipe.no_cache else engine.unchanged(inputs)
            if there is not None:
                report(Skipped(image=name, reason="built by another process meanwhile"))
                return there
            if attempt == 0:
                report(Started(image=name))
                _remark(inputs, report)
            try:
                built = _Making(engine, inputs, report, lock).make()
            except Changed:
                continue  # the user saved a file meanwhile
            report(Finished(image=name, seconds=time.monotonic() - started))
            return built
    raise BuildError(
        f'image "{name}": its source changes all the time while it is read',
        hint="stop what writes there, or leave its files out with a line in .dockerignore",
    )


def _remark(inputs: Inputs, report: Report) -> None:
    name = inputs.recipe.name
    remark(name, inputs.context, report)
    for variable in inputs.settings.local:
        message = f"{variable} names a file or folder of this machine, which the build does not see"
        report(Note(image=name, message=message))


@dataclass(frozen=True, slots=True)
class _Making:
    """What the parts of an attempt share.

    Attributes:
        lock: descriptor of the image's lock.
    """

    engine: "DockerEngine"
    inputs: Inputs
    report: Report
    lock: int

    def make(self) -> DockerImage:
        """One attempt; a failed one changes no name."""
        self._check_secrets()
        engine, inputs = self.engine, self.inputs
        base = self._base()
        hash = engine.hash(inputs, base)
        reference = engine.reference(inputs)
        id = self._built(hash, base)
        if inputs.recipe.serves is not None:
            self._begin("trying the functions")
            try_functions(
                engine.client, inputs.app, inputs.recipe.name, id, engine.processes, self.report
            )
        engine.processes.check()
        # The name last: who looks between the two finds the old image under it.
        engine.store.name(id, reference.immutable(hash))
        engine.store.name(id, str(reference))
        built = engine.store.find(reference, hash)
        if built is None:
            raise BuildError(f'image "{inputs.recipe.name}": it was removed while it was built')
        return replace(built, rebuilt=True)

    def _check_secrets(self) -> None:
        recipe, builder = self.inputs.recipe, self.engine.builder
        if not builder.buildkit and needs_secrets(recipe, self.inputs.installation):
            raise BuildError(
                f'image "{recipe.name}": it needs secrets to be built, and there is no BuildKit '
                "here: the classic builder would leave them in the image",
                hint="install a docker command with BuildKit (on Debian: apt install docker.io, or "
                "the plug-in docker-buildx)",
            )

    def _base(self) -> str:
        """The digest of the base image, which is pulled where the engine does not have it."""
        inputs, store = self.inputs, self.engine.store
        if inputs.own_dockerfile is not None:
            return self.engine.base_digest(inputs) or ""
        found = store.inspect(inputs.base)
        if found is None:
            self._begin(f"pulling {inputs.base}")
            self._pull(inputs.base)
            found = store.inspect(inputs.base)
        return "" if found is None else digest_of(found)

    def _pull(self, base: str) -> None:
        from docker.errors import DockerException

        repository, colon, tag = base.rpartition(":")
        if not colon or "/" in tag or "@" in base:
            repository, tag = base, "" if "@" in base else "latest"
        try:
            api = self.engine.client.api
            platform = self.engine.environ.get(PLATFORM) or None
            pulled = partial(api.pull, repository, tag, stream=True, decode=True, platform=platform)
            for answer in unblocked(pulled, self.engine.processes):
                if "error" in answer:
                    raise base_not_pulled(self.inputs.recipe.name, base, str(answer["error"]))
        except DockerException as error:
            reason = str(getattr(error, "explanation", None) or error)
            raise base_not_pulled(self.inputs.recipe.name, base, reason) from error

    def _built(self, hash: str, base: str) -> str:
        """The id of the image, which has no name yet."""
        engine, inputs = self.engine, self.inputs
        text = inputs.text(buildkit=engine.builder.buildkit)
        progress = Progress(titles_of(text), self._begin_number, self._output)
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liminal-")))
            tar = stack.enter_context(tempfile.TemporaryFile(dir=engine.home.locks))
            self._write(tar, text)
            order = Order(
                tar=tar,
                dockerfile=inputs.own_dockerfile or _OURS,
                labels=self._labels(hash, base),
                secrets=self._secrets(scratch),
                arguments=[
                    name
                    for name in sorted(engine.environ)
                    if name.upper() in PROXIES and engine.environ[name]
                ],
                no_cache=inputs.recipe.no_cache,
                lock=self.lock,
            )
            try:
                return engine.builder.build(order, engine.processes, progress.read)
            except StepFailed as error:
                raise build_failed(
                    inputs.recipe.name, inputs.base, progress.failure(), error
                ) from error
            finally:
                progress.end()

    def _write(self, tar: BinaryIO, text: str) -> None:
        """The context, with the Dockerfile that we make."""
        locked = self._locked() if self.inputs.recipe.requirements.lock is not None else None
        pieces = list(self.inputs.pieces(locked=locked))
        if text:
            pieces.insert(0, Piece(path=_OURS, content=text.encode()))
        write_tar(pieces, tar)
        tar.seek(0)

    def _locked(self) -> bytes:
        """What uv.lock says, as a requirement file; uv reads it here, the build installs it."""
        # Loaded here and not above, because few images have a uv.lock.
        from liminal.images.engines.docker.locked import export_lock

        self._begin("reading uv.lock")
        steps = Steps(
            name=self.inputs.recipe.name, processes=self.engine.processes, report=self.report
        )
        return export_lock(self.inputs.recipe, self.engine.environ, steps, self.lock)

    def _labels(self, hash: str, base: str) -> dict[str, str]:
        reference = self.engine.reference(self.inputs)
        labels = {
            LABEL_APP: self.inputs.app,
            LABEL_SOURCE_HASH: hash,
            "org.opencontainers.image.title": reference.repository,
            "org.opencontainers.image.version": reference.tag or hash,
        }
        if self.inputs.own_dockerfile is None:
            labels[LABEL_BASE_NAME], labels[LABEL_BASE_DIGEST] = self.inputs.base, base
        return labels

    def _secrets(self, scratch: Path) -> Mapping[str, Path]:
        recipe = self.inputs.recipe
        secrets = dict(recipe.build_secrets)
        if recipe.pip_conf is not None:
            secrets[PIP_CONF] = recipe.pip_conf
        if recipe.ca_bundle is not None:
            secrets[CA_BUNDLE] = recipe.ca_bundle
        if self.inputs.settings.variables:
            file = scratch / "variables"
            file.touch(mode=PRIVATE_FILE)
            file.write_bytes(self.inputs.settings.script())
            secrets[VARIABLES] = file
        return {name: _link(scratch, name, path) for name, path in secrets.items()}

    def _begin(self, what: str) -> None:
        self.report(Step(image=self.inputs.recipe.name, name=what))

    def _begin_number(self, what: str, number: int, total: int) -> None:
        self.report(Step(image=self.inputs.recipe.name, name=what, number=number, total=total))

    def _output(self, line: str) -> None:
        self.report(Output(image=self.inputs.recipe.name, line=line))


def _link(scratch: Path, name: str, file: Path) -> Path:
    """Another path of the secret: a command line takes a comma in a path for the end of it."""
    folder = scratch / "secrets"
    folder.mkdir(exist_ok=True)
    link = folder / name
    link.symlink_to(file)
    return link
