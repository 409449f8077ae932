"""A maintenance window as a form says it: often enough it is once, daily or weekly; any other rule is typed."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import available_timezones

from starlette.datastructures import QueryParams

from openlookout.alerts.maintenance import Maintenance
from openlookout.api.errors import ValidationException

REPEATS = (
    ("", "once"),
    ("FREQ=DAILY", "every day"),
    ("FREQ=WEEKLY", "every week on the days below"),
    ("FREQ=MONTHLY", "every month on the same day"),
    ("rule", "by a rule of its own"),
)
DAYS = (("MO", "Mon"), ("TU", "Tue"), ("WE", "Wed"), ("TH", "Thu"), ("FR", "Fri"), ("SA", "Sat"), ("SU", "Sun"))
_WEEKLY = re.compile(r"FREQ=WEEKLY(?:;BYDAY=([A-Z,]+))?")
MINUTES_AN_HOUR = 60


@lru_cache(maxsize=1)
def zones() -> list[str]:
    """The time zones that there are: UTC, then the places by name."""
    return ["UTC", *sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))]


def read(form: QueryParams, name: str) -> Maintenance:
    """Give the window of a form.

    Raises:
        ValidationException: a time or a length cannot be read.
    """
    text = form.get("start", "").strip()
    try:
        start = datetime.fromisoformat(text).replace(second=0, microsecond=0)
    except ValueError:
        message = f"The start must be a time such as 2026-01-31 22:00, not '{text[:50]}'."
        raise ValidationException(message) from None
    hours = form.get("hours", "").strip()
    try:
        minutes = round(float(hours) * MINUTES_AN_HOUR)
    except (ValueError, OverflowError):
        message = f"The length must be a number of hours such as 8 or 1.5, not '{hours[:50]}'."
        raise ValidationException(message) from None
    return Maintenance(name, start, minutes, form.get("zone", ""), _recurrence(form))


def fields_of(window: Maintenance, model: str | None) -> dict[str, str]:
    """What the form shows of a window that there is."""
    rule = window.recurrence or ""
    weekly = _WEEKLY.fullmatch(rule)
    known = {value for value, _ in REPEATS}
    return {
        "name": window.name,
        "model": model or "",
        "start": window.start.isoformat(timespec="minutes"),
        "hours": f"{window.minutes / MINUTES_AN_HOUR:g}",
        "zone": window.zone,
        "repeat": "FREQ=WEEKLY" if weekly else rule if rule in known else "rule",
        "rule": "" if weekly or rule in known else rule,
        "days": " ".join((weekly[1] or "").split(",")) if weekly else "",
    }


def begun(now: datetime) -> Mapping[str, str]:
    """What the form of a new window begins with: tonight, once."""
    tonight = (now + timedelta(hours=1)).replace(minute=0, tzinfo=None)
    return {
        "name": "",
        "model": "",
        "start": tonight.isoformat(timespec="minutes"),
        "hours": "8",
        "zone": "UTC",
        "repeat": "",
        "rule": "",
        "days": "",
    }


def in_words(window: Maintenance) -> str:
    """How often a window comes."""
    rule = window.recurrence or ""
    weekly = _WEEKLY.fullmatch(rule)
    if weekly:
        names = dict(DAYS)
        return "weekly" + (" on " + ", ".join(names.get(day, day) for day in weekly[1].split(",")) if weekly[1] else "")
    return {"": "once", "FREQ=DAILY": "every day", "FREQ=MONTHLY": "every month"}.get(rule, rule)


def _recurrence(form: QueryParams) -> str | None:
    repeat = form.get("repeat", "")
    if repeat == "rule":
        return form.get("rule", "").strip() or None
    days = [day for day, _ in DAYS if day in form.getlist("day")]
    if repeat == "FREQ=WEEKLY" and days:
        return f"{repeat};BYDAY={','.join(days)}"
    return repeat or None
