"""``type: local``: the command runs as a process in the image's virtual environment."""

from collections.abc import Mapping
from typing import ClassVar

from liminal.plugins import Schema
from liminal.steps import RunCommand, Step


class Local:
    """Needs no Docker; mounts and secrets are made to lead to where the task expects them."""

    properties: ClassVar[Mapping[str, Schema]] = {}
    steps: ClassVar[tuple[type[Step], ...]] = (RunCommand,)
    operator: ClassVar[str] = "liminal.runners.airflow.operators.LocalOperator"
