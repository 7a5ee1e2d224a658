"""``type: airflow``: tasks that are Airflow operators themselves."""

from collections.abc import Mapping
from typing import ClassVar

from liminal.plugins import Schema
from liminal.steps import CallOperator, ReportMetrics, Step


class Airflow:
    """Runs on the Airflow worker."""

    properties: ClassVar[Mapping[str, Schema]] = {}
    steps: ClassVar[tuple[type[Step], ...]] = (CallOperator, ReportMetrics)
