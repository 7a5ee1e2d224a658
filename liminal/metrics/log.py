"""Metrics as lines of JSON in the log of the task that reports them."""

import json
import logging
from collections.abc import Mapping
from typing import ClassVar

from liminal.model import Setting
from liminal.plugins import Schema

logger = logging.getLogger(__name__)


class Log:
    """The metrics backend of type ``log``: one JSON line a metric."""

    properties: ClassVar[Mapping[str, Schema]] = {
        "namespace": {
            "description": "A word that each line carries; by default none.",
            "type": "string",
            "minLength": 1,
            "examples": ["DataPipeline"],
        }
    }
    required: ClassVar[tuple[str, ...]] = ()

    def report(
        self,
        name: str,
        value: float,
        dimensions: Mapping[str, str],
        settings: Mapping[str, Setting],
    ) -> None:
        """Writes one measurement to the log."""
        namespace = settings.get("namespace")
        line = {
            "metric": name,
            "value": value,
            **({"namespace": namespace} if namespace is not None else {}),
            "dimensions": dict(dimensions),
        }
        logger.info("%s", json.dumps(line, sort_keys=False))
