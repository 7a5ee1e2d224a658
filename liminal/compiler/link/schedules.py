"""When a pipeline runs: a cron expression, a preset, or the assets that it waits for."""

from urllib.parse import urlsplit

from liminal.compiler.link.context import Context
from liminal.compiler.link.values import strings
from liminal.compiler.nodes import Map
from liminal.model import AssetSchedule

MAX_ASSET_LENGTH = 1500
"""Characters. Source: Airflow 3.3, ``airflow.sdk.definitions.asset._validate_identifier``."""

_RESERVED_ASSETS = ("context", "self")
_NO_SCHEDULE = ("None", "none")
"""How people write Python's None, or YAML's null, as a word."""


def schedule(entry: Map, context: Context) -> str | AssetSchedule | None:
    """The pipeline's schedule; None for runs by hand only."""
    written = entry.get("schedule")
    if isinstance(written, Map):
        return _assets(written, context)
    expression = entry.string("schedule")
    if expression is None or expression in _NO_SCHEDULE:
        return None
    problem = context.crons.problem(expression)
    if problem is not None:
        context.error(problem.code, problem.message, entry.at("schedule"), problem.hint)
    elif expression == "@continuous":
        _check_continuous(entry, context)
    return expression


def _check_continuous(entry: Map, context: Context) -> None:
    """Adds an error where runs that follow each other are to run side by side.

    Source: Airflow 3.3, ``ContinuousTimetable.active_runs_limit``.
    """
    wanted = entry.integer("max_active_runs")
    if wanted is not None and wanted > 1:
        message = f'"max_active_runs" cannot be {wanted} where the schedule is "@continuous"'
        hint = "leave it out: each run begins when the one before it ends"
        context.error("bad-value", message, entry.at("max_active_runs"), hint)


def _assets(written: Map, context: Context) -> AssetSchedule:
    assets = written.sequence("assets")
    for uri, origin in assets.texts():
        problem = _asset_problem(uri)
        if problem is not None:
            message, hint = problem
            context.error("bad-asset", message, origin, hint)
    return AssetSchedule(assets=strings(written, "assets"))


def _asset_problem(uri: str) -> tuple[str, str | None] | None:
    """What is wrong with the asset, as message and hint.

    Source: Airflow 3.3, ``airflow.sdk.definitions.asset``.
    """
    if len(uri) > MAX_ASSET_LENGTH:
        return f"the asset is {len(uri)} characters long", f"at most {MAX_ASSET_LENGTH} are allowed"
    if not uri.isascii() or any(c.isspace() or not c.isprintable() for c in uri):
        return f'the asset "{uri}" is not a URI', "write other characters as %20 and the like"
    if uri in _RESERVED_ASSETS:
        return f'an asset cannot be named "{uri}"', "for example: s3://bucket/rows"
    try:
        parts = urlsplit(uri)
        password = parts.password
    except ValueError:
        return f'the asset "{uri}" is not a URI', "for example: s3://bucket/rows"
    if parts.scheme == "airflow":
        return "the scheme airflow is Airflow's own", "for example: s3://bucket/rows"
    if password is not None:
        return "the asset holds a password", "leave it out; the URI is only a name"
    return None
