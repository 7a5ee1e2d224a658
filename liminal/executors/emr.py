"""``type: emr``: the command runs as a step of an Amazon EMR cluster."""

from collections.abc import Mapping
from typing import ClassVar

from liminal.plugins import Schema
from liminal.steps import RunCommand, Step


class Emr:
    """A cluster by name or id."""

    properties: ClassVar[Mapping[str, Schema]] = {
        "cluster_name": {
            "description": "The cluster's name, of which the newest in a usable state is taken;"
            " by default cluster_id says which.",
            "type": "string",
            "minLength": 1,
            "examples": ["analytics"],
        },
        "cluster_id": {
            "description": "The cluster's id; by default that of cluster_name.",
            "type": "string",
            "minLength": 1,
            "examples": ["j-2AXXXXXXGAPLF"],
        },
        "aws_conn_id": {
            "description": "The Airflow connection.",
            "type": "string",
            "default": "aws_default",
            "examples": ["aws_analytics"],
        },
        "cluster_states": {
            "description": "States in which a cluster of that name may be used.",
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "default": ["WAITING", "RUNNING"],
            "examples": [["WAITING"]],
        },
        "properties": {
            "description": "Further parameters of the step, as EMR writes them.",
            "type": "object",
            "default": {},
            "examples": [{"ActionOnFailure": "CONTINUE"}],
        },
    }
    one_of: ClassVar[tuple[tuple[str, ...], ...]] = (("cluster_name", "cluster_id"),)
    steps: ClassVar[tuple[type[Step], ...]] = (RunCommand,)
