"""``type: create_cloudformation_stack``: makes an AWS CloudFormation stack."""

from collections.abc import Mapping
from typing import ClassVar

from liminal.model import Task
from liminal.plugins import Schema
from liminal.steps import CallOperator


class CreateCloudFormationStack:
    """Creates a stack with the operator of Airflow's Amazon provider."""

    properties: ClassVar[Mapping[str, Schema]] = {
        "stack_name": {
            "description": "Name of the stack.",
            "type": "string",
            "minLength": 1,
            "examples": ["my-cluster"],
        },
        "properties": {
            "description": "Parameters of CreateStack; Parameters is a map of name to value.",
            "type": "object",
            "default": {},
            "examples": [{"TemplateURL": "https://…", "Parameters": {"Size": "small"}}],
        },
    }
    required: ClassVar[tuple[str, ...]] = ("stack_name",)
    container: ClassVar[bool] = False

    def step(self, task: Task) -> CallOperator:
        """The provider's create operator; CloudFormation wants parameters as a list of pairs."""
        given = task.settings.get("properties")
        parameters = dict(given) if isinstance(given, Mapping) else {}
        pairs = parameters.get("Parameters")
        if isinstance(pairs, Mapping):
            parameters["Parameters"] = tuple(
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in sorted(pairs.items())
            )
        return CallOperator(
            operator="airflow.providers.amazon.aws.operators.cloud_formation"
            ".CloudFormationCreateStackOperator",
            arguments={
                "stack_name": task.settings.get("stack_name"),
                "cloudformation_parameters": parameters,
            },
        )
