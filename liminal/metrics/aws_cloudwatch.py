"""Metrics sent to Amazon CloudWatch."""

from collections.abc import Mapping
from typing import Any, ClassVar

from liminal.model import Setting
from liminal.plugins import Schema


class AwsCloudWatch:
    """The metrics backend of type ``aws_cloudwatch``; needs the extra ``liminal[aws]``."""

    properties: ClassVar[Mapping[str, Schema]] = {
        "namespace": {
            "description": "CloudWatch's namespace of the metrics.",
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            "examples": ["DataPipeline"],
        },
        "AWS_REGION_NAME": {
            "description": "The AWS region; by default that of the environment.",
            "type": "string",
            "minLength": 1,
            "examples": ["us-east-1"],
        },
        "AWS_ACCESS_KEY_ID": {
            "description": "The id of an access key; by default the environment's credentials.",
            "type": "string",
            "minLength": 1,
            "examples": ["AKIAIOSFODNN7EXAMPLE"],
        },
        "AWS_SECRET_ACCESS_KEY": {
            "description": "The secret of that access key; better not written here: by default the"
            " environment's credentials.",
            "type": "string",
            "minLength": 1,
            "examples": ["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
        },
    }
    required: ClassVar[tuple[str, ...]] = ("namespace",)

    def report(
        self,
        name: str,
        value: float,
        dimensions: Mapping[str, str],
        settings: Mapping[str, Setting],
    ) -> None:
        """Sends one measurement.

        Raises:
            OSError: CloudWatch cannot be reached or refuses, or boto3 is not installed.
        """
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError as problem:
            message = 'boto3 is not installed; install it with "pip install liminal[aws]"'
            raise OSError(message) from problem
        datum = {
            "MetricName": name,
            "Value": value,
            "Dimensions": [
                {"Name": key, "Value": text} for key, text in sorted(dimensions.items())
            ],
        }
        patience = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 2})
        try:
            client = boto3.session.Session(**_session(settings)).client(
                "cloudwatch", config=patience
            )
            client.put_metric_data(Namespace=str(settings.get("namespace")), MetricData=[datum])
        except (BotoCoreError, ClientError) as problem:
            raise OSError(str(problem)) from problem


def _session(settings: Mapping[str, Setting]) -> dict[str, Any]:
    """The arguments of boto3's session; what is missing it finds in the environment."""
    keys = {
        "AWS_REGION_NAME": "region_name",
        "AWS_ACCESS_KEY_ID": "aws_access_key_id",
        "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
    }
    return {argument: str(settings[key]) for key, argument in keys.items() if settings.get(key)}
