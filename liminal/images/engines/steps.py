"""The steps of an image's build: what is reported of them, and the error when one fails."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from liminal.errors import BuildError
from liminal.images.engines.process import Processes, StepFailed
from liminal.images.events import Output, Report, Step

_FULL = re.compile(r"No space left on device|os error 28|Disk quota exceeded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Runs the steps of one image's build, and says what failed.

    Attributes:
        name: the image's.
        report: called with each step and each line, the latter from another thread.
    """

    name: str
    processes: Processes
    report: Report

    def begin(self, what: str) -> None:
        """Reports that the step begins."""
        self.report(Step(image=self.name, name=what))

    def run(
        self,
        what: str,
        arguments: Sequence[str],
        *,
        folder: Path,
        environ: Mapping[str, str],
        lock: int,
        hint: str | None = None,
    ) -> None:
        """Runs a process of the step.

        Args:
            what: the step, for the sentence "what failed".
            arguments: the command and its words.
            folder: the working directory.
            environ: all of the environment.
            hint: what the user can do when it fails.
            lock: descriptor of the lock that the process holds on to when this one is killed.

        Raises:
            BuildError: it failed; with the last lines of its output.
        """
        try:
            self.processes.run(
                arguments, folder=folder, environ=environ, output=self.output, holding=(lock,)
            )
        except StepFailed as error:
            lines = "".join(f"\n  | {line}" for line in error.lines)
            if any(_FULL.search(line) for line in error.lines):
                hint = "free some space, or set LIMINAL_HOME to a folder on another disk"
            message = f'image "{self.name}": {what} failed: {error.how}{lines}'
            raise BuildError(message, hint=hint) from error

    def output(self, line: str) -> None:
        """Reports a line of the step."""
        self.report(Output(image=self.name, line=line))
