"""From when to when a pipeline runs, and in which time zone."""

import re
import zoneinfo
from datetime import datetime, timedelta, timezone, tzinfo
from typing import NamedTuple

from liminal.compiler.link.context import Context
from liminal.compiler.nodes import Map
from liminal.origin import Origin
from liminal.suggest import nearest

DEFAULT_START_DATE = "2020-01-01"
DEFAULT_TIMEZONE = "UTC"
FIRST_YEAR, LAST_YEAR = 1970, 2200
"""Beyond these a date is a mistake: a missing digit, or somebody's word for "always"."""

_MAX_NEAREST = 20
"""Unknown zones of one application for which the nearest is looked for."""

_DATE = r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})"
_TIME = r"(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?"
_OFFSET = r"(?P<zulu>[Zz])|(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})"
_FORM = re.compile(rf"{_DATE}(?:(?:[Tt]| +){_TIME}(?: *(?:{_OFFSET}))?)?", re.ASCII)
_HINT = "for example: 2026-01-31, or 2026-01-31T06:00"


class Dates(NamedTuple):
    """The span of a pipeline, as `Pipeline` holds it."""

    start_date: str
    end_date: str | None
    timezone: str


def dates(entry: Map, context: Context) -> Dates:
    """The pipeline's dates as ISO 8601 text that each Python reads, and its zone."""
    name, zone = _zone(entry, context)
    start = _moment(entry, "start_date", context)
    end = _moment(entry, "end_date", context)
    if end is not None:
        _check_order(entry, end, zone, context)
    return Dates(
        start_date=_iso(entry.string("start_date"), start) or DEFAULT_START_DATE,
        end_date=_iso(entry.string("end_date"), end),
        timezone=name,
    )


def _zone(entry: Map, context: Context) -> tuple[str, tzinfo]:
    name = entry.string("timezone")
    if name is None or "{{" in name or context.is_full:  # what is left of a placeholder was told
        return DEFAULT_TIMEZONE, timezone.utc
    try:
        return name, zoneinfo.ZoneInfo(name)
    # Besides the error for an unknown key: a path that leads out, or to a folder.
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        _unknown_zone(name, entry.at("timezone"), context)
        return DEFAULT_TIMEZONE, timezone.utc


def _unknown_zone(name: str, origin: Origin, context: Context) -> None:
    if context.is_full:
        return
    if name not in context.zones:
        # Looking for the nearest of all zones takes a while: done once a name, and not without end.
        few = len(context.zones) < _MAX_NEAREST
        context.zones[name] = _nearest_zone(name) if few else None
    meant = context.zones[name]
    question = f'; did you mean "{meant}"?' if meant else ""
    hint = None if meant else "for example: Europe/Amsterdam"
    context.error("unknown-timezone", f'no time zone is named "{name}"{question}', origin, hint)


def _nearest_zone(name: str) -> str | None:
    known = sorted(zoneinfo.available_timezones())
    if any(zone.startswith(f"{name}/") for zone in known):
        return None
    wanted = name.strip().replace(" ", "_").casefold()
    by_city = {zone.rpartition("/")[2].casefold(): zone for zone in known}
    by_city |= {zone.casefold(): zone for zone in known}
    meant = by_city.get(wanted) or nearest(name, known)
    if meant is None:  # "Europe/Amsterdm" is near; of "Amsterdm" only the city is
        city = nearest(wanted.rpartition("/")[2], sorted(by_city))
        meant = by_city[city] if city else None
    return meant


def _moment(entry: Map, key: str, context: Context) -> datetime | None:
    """The moment under the key, without a zone where it names none."""
    written = entry.string(key)
    if written is None or "{{" in written:  # what is left of a placeholder was told
        return None
    found = _FORM.fullmatch(written.strip())
    if found is None:
        context.error("bad-date", f'{key} "{written}" is not a date', entry.at(key), _HINT)
        return None
    if not FIRST_YEAR <= int(found["year"]) <= LAST_YEAR:
        message = f'{key} "{written}" is not between {FIRST_YEAR} and {LAST_YEAR}'
        hint = "leave it out if there is no end" if key == "end_date" else None
        context.error("bad-date", message, entry.at(key), hint)
        return None
    try:
        return _as_datetime(found)
    except ValueError:
        message = f'{key} "{written}" is not in the calendar'
        context.error("bad-date", message, entry.at(key), _HINT)
        return None


def _as_datetime(found: re.Match[str]) -> datetime:
    zone = timezone.utc if found["zulu"] else None
    if found["sign"]:
        offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]))
        zone = timezone(-offset if found["sign"] == "-" else offset)
    year, month, day, hour, minute, second = (
        int(found[part] or 0) for part in ("year", "month", "day", "hour", "minute", "second")
    )
    return datetime(year, month, day, hour, minute, second, tzinfo=zone)


def _check_order(entry: Map, end: datetime, zone: tzinfo, context: Context) -> None:
    written = entry.string("start_date")
    found = _FORM.fullmatch((written or DEFAULT_START_DATE).strip())
    try:
        start = _as_datetime(found) if found else None
    except ValueError:
        start = None  # that was told
    if start is None or _in(start, zone) <= _in(end, zone):
        return
    of_start = f'start_date "{written}"' if written else f"the default start {DEFAULT_START_DATE}"
    context.error(
        "end-before-start",
        f'end_date "{entry.string("end_date")}" is before {of_start}',
        entry.at("end_date"),
        None if written else "add a start_date",
    )


def _in(moment: datetime, zone: tzinfo) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _iso(written: str | None, moment: datetime | None) -> str | None:
    """A date as it is written; a date and time as ``fromisoformat`` of Python 3.10 reads it."""
    if written is None or moment is None:
        return None
    return written.strip() if len(written.strip()) == len("2026-01-31") else moment.isoformat()
