import json
import logging

import pytest

from liminal.metrics.log import Log


def test_each_metric_is_one_json_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="liminal.metrics")
    Log().report("JobResult", 1, {"ApplicationName": "p\nq"}, {})
    Log().report("JobDuration", 1.5, {"ApplicationName": "p"}, {"namespace": "N"})
    first, second = (record.getMessage() for record in caplog.records)
    assert "\n" not in first
    assert json.loads(first) == {
        "metric": "JobResult",
        "value": 1,
        "dimensions": {"ApplicationName": "p\nq"},
    }
    assert json.loads(second)["namespace"] == "N"


def test_nothing_is_required() -> None:
    assert Log.required == ()
    assert set(Log.properties) == {"namespace"}
