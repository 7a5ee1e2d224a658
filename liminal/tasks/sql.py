"""``type: sql``: a query through an Airflow connection."""

from collections.abc import Mapping
from typing import ClassVar

from liminal.model import Task
from liminal.plugins import Schema
from liminal.steps import CallOperator


class Sql:
    """Runs a query with Airflow's common-sql operator."""

    properties: ClassVar[Mapping[str, Schema]] = {
        "query": {
            "description": "The query; by default that of query_file.",
            "type": "string",
            "minLength": 1,
            "examples": ["SELECT 1"],
        },
        "query_file": {
            "description": "A file with the query, beside this one; by default query holds it.",
            "type": "string",
            "minLength": 1,
            "examples": ["sql/daily.sql"],
        },
        "connection": {
            "description": "The Airflow connection.",
            "type": "string",
            "minLength": 1,
            "examples": ["warehouse"],
        },
        "output_table": {
            "description": "A table that is made of the result; by default none.",
            "type": "string",
            "minLength": 1,
            "examples": ["daily_totals"],
        },
        "output_path": {
            "description": "Where the result is written; by default nowhere.",
            "type": "string",
            "minLength": 1,
            "examples": ["s3://bucket/daily/"],
        },
    }
    required: ClassVar[tuple[str, ...]] = ("connection",)
    one_of: ClassVar[tuple[tuple[str, ...], ...]] = (("query", "query_file"),)
    files: ClassVar[tuple[str, ...]] = ("query_file",)
    container: ClassVar[bool] = False

    def step(self, task: Task) -> CallOperator:
        """Airflow's SQLExecuteQueryOperator with the query and the connection."""
        settings = task.settings
        return CallOperator(
            operator="airflow.providers.common.sql.operators.sql.SQLExecuteQueryOperator",
            arguments={
                "sql": settings.get("query", settings.get("query_file")),
                "conn_id": settings.get("connection"),
            },
        )
