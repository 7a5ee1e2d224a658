"""The dates of a run as placeholders, as Airflow's templates have them. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

_MOMENTS = (
    "logical_date",
    "execution_date",
    "next_execution_date",
    "prev_execution_date",
    "data_interval_start",
    "data_interval_end",
)


def macros(logical_date: datetime, run_id: str) -> Mapping[str, str]:
    """Name -> value, for a run that was started by hand at that moment.

    Airflow 3 has dropped the ``yesterday``, ``tomorrow``, ``next`` and ``prev`` forms; in Airflow 2
    the next and previous dates of a run by hand are its own.

    Source: Airflow 2.10, ``airflow/models/taskinstance.py``, ``get_template_context``.
    """
    moment = logical_date.astimezone(timezone.utc)
    day = timedelta(days=1)
    dates = {
        "ds": moment,
        "next_ds": moment,
        "prev_ds": moment,
        "yesterday_ds": moment - day,
        "tomorrow_ds": moment + day,
    }
    return {
        **{name: date.strftime("%Y-%m-%d") for name, date in dates.items()},
        **{f"{name}_nodash": date.strftime("%Y%m%d") for name, date in dates.items()},
        "ts": moment.isoformat(),
        "ts_nodash": moment.strftime("%Y%m%dT%H%M%S"),
        "ts_nodash_with_tz": moment.strftime("%Y%m%dT%H%M%S+0000"),
        **{name: moment.isoformat(sep=" ") for name in _MOMENTS},
        "run_id": run_id,
        "dag_run.run_id": run_id,
        "env": "default",
    }
