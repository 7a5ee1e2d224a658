"""Alerts as alarms of Amazon CloudWatch on each pipeline's JobResult."""

from collections.abc import Mapping
from typing import Any, ClassVar

from liminal.plugins import Schema


def _actions(when: str) -> dict[str, Any]:
    return {
        "description": f"What {when}, as Amazon resource names; by default nothing.",
        "type": "array",
        "items": {"type": "string", "minLength": 1},
        "default": [],
        "examples": [["arn:aws:sns:us-east-1:123456789012:on-call"]],
    }


class AwsCloudWatch:
    """The alerts backend of type ``aws_cloudwatch``; `liminal create` registers its alarms."""

    properties: ClassVar[Mapping[str, Schema]] = {
        "alarm_actions": _actions("is told when a run fails"),
        "ok_actions": _actions("is told when a run succeeds again"),
    }
