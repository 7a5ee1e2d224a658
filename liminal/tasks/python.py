"""``type: python``: a command in an image."""

from collections.abc import Mapping
from typing import ClassVar

from liminal.model import Task
from liminal.plugins import Schema
from liminal.steps import RunCommand


class Python:
    """Runs `cmd` by a shell in the task's image."""

    properties: ClassVar[Mapping[str, Schema]] = {}
    required: ClassVar[tuple[str, ...]] = ("image", "cmd")
    container: ClassVar[bool] = True

    def step(self, task: Task) -> RunCommand:
        """The command as the user wrote it."""
        return RunCommand(command=task.cmd or "")
