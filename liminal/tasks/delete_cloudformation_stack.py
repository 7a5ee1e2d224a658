"""``type: delete_cloudformation_stack``: removes an AWS CloudFormation stack."""

from collections.abc import Mapping
from typing import ClassVar

from liminal.model import Task
from liminal.plugins import Schema
from liminal.steps import CallOperator


class DeleteCloudFormationStack:
    """Deletes a stack with the operator of Airflow's Amazon provider."""

    properties: ClassVar[Mapping[str, Schema]] = {
        "stack_name": {
            "description": "Name of the stack.",
            "type": "string",
            "minLength": 1,
            "examples": ["my-cluster"],
        },
    }
    required: ClassVar[tuple[str, ...]] = ("stack_name",)
    container: ClassVar[bool] = False

    def step(self, task: Task) -> CallOperator:
        """The provider's delete operator."""
        return CallOperator(
            operator="airflow.providers.amazon.aws.operators.cloud_formation"
            ".CloudFormationDeleteStackOperator",
            arguments={"stack_name": task.settings.get("stack_name")},
        )
