"""What Airflow gets of us by its own entry point: the macros that it dropped.

``{{ macros.liminal.yesterday_ds(ds) }}`` works in any DAG of the same Airflow, also in those that are
not ours; a liminal.yml has ``{{ yesterday_ds }}`` without it.
"""  # noqa: E501 - see above

from datetime import date, timedelta

from airflow.plugins_manager import AirflowPlugin


def _moved(ds: str, days: int, form: str) -> str:
    return (date.fromisoformat(ds) + timedelta(days=days)).strftime(form)


def yesterday_ds(ds: str) -> str:
    """The day before, as YYYY-MM-DD."""
    return _moved(ds, -1, "%Y-%m-%d")


def yesterday_ds_nodash(ds: str) -> str:
    """The day before, as YYYYMMDD."""
    return _moved(ds, -1, "%Y%m%d")


def tomorrow_ds(ds: str) -> str:
    """The day after, as YYYY-MM-DD."""
    return _moved(ds, 1, "%Y-%m-%d")


def tomorrow_ds_nodash(ds: str) -> str:
    """The day after, as YYYYMMDD."""
    return _moved(ds, 1, "%Y%m%d")


class LiminalPlugin(AirflowPlugin):
    """The plugin; Airflow lists it as ``liminal``."""

    name = "liminal"
    macros = [  # noqa: RUF012 - as Airflow declares it
        yesterday_ds,
        yesterday_ds_nodash,
        tomorrow_ds,
        tomorrow_ds_nodash,
    ]
