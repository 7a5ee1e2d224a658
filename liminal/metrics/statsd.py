"""Metrics as datagrams for a StatsD server."""

import re
import socket
from collections.abc import Mapping
from typing import ClassVar

from liminal.model import Setting
from liminal.plugins import Schema

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 8125
DEFAULT_PREFIX = "liminal"

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]")


class Statsd:
    """The metrics backend of type ``statsd``: one gauge ``PREFIX.PIPELINE.METRIC`` a metric.

    Source: github.com/statsd/statsd, docs/metric_types.md.
    """

    properties: ClassVar[Mapping[str, Schema]] = {
        "host": {
            "description": "The host of the StatsD server.",
            "type": "string",
            "minLength": 1,
            "default": DEFAULT_HOST,
            "examples": ["statsd.example.com"],
        },
        "port": {
            "description": "The UDP port of the StatsD server.",
            "type": ["integer", "string"],
            "pattern": r"^\{\{[^{}]*\}\}$",
            "patternErrorMessage": 'must be a whole number, or a placeholder such as "{{ name }}"',
            "minimum": 1,
            "maximum": 65535,
            "default": DEFAULT_PORT,
            "examples": [9125],
        },
        "prefix": {
            "description": "What the names of the metrics begin with.",
            "type": "string",
            "pattern": "^[A-Za-z0-9_.-]*$",
            "patternErrorMessage": "a prefix is letters, digits, _, - and .",
            "default": DEFAULT_PREFIX,
            "examples": ["pipelines.production"],
        },
    }
    required: ClassVar[tuple[str, ...]] = ()

    def report(
        self,
        name: str,
        value: float,
        dimensions: Mapping[str, str],
        settings: Mapping[str, Setting],
    ) -> None:
        """Sends one gauge; nobody answers, so a server that is down is not noticed.

        Raises:
            OSError: the host has no address, or cannot be reached.
        """
        host = str(settings.get("host", DEFAULT_HOST))
        port = int(str(settings.get("port", DEFAULT_PORT)))
        prefix = str(settings.get("prefix", DEFAULT_PREFIX))
        words = (prefix, *(dimensions[key] for key in sorted(dimensions)), name)
        gauge = ".".join(_NOT_IN_NAMES.sub("_", word) for word in words if word)
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as sender:
            sender.sendto(f"{gauge}:{value:g}|g".encode(), address)
