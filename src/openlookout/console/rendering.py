"""Templates: the environment, how times and numbers are written, and what to do about an error. Knows no page."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, Undefined
from markupsafe import Markup, escape

from openlookout.api.service_error import ServiceError
from openlookout.console import static_files

# What to do about an error of the API, by its code; the message says what is wrong.
ADVICE = {
    "ValidationException": "Correct the value that is named and send the form again.",
    "ConflictException": "Wait until the work under way has ended, or take another name, and try again.",
    "ResourceNotFoundException": "It may have been deleted, or belong to another account or region.",
    "AccessDeniedException": "Sign in with a key that may change things, or ask whoever keeps the keys.",
    "ServiceQuotaExceededException": "Delete what is not needed any more, or raise the limit (see Settings).",
    "ThrottlingException": "Try again in a moment.",
    "UnrecognizedClientException": "Check both; whoever keeps the machine makes a new key where the secret is lost.",
    "ForbiddenException": "Open the page again and repeat the last step.",
    "InternalServerException": "Try again; if it stays, look into the service's log.",
}


def advice(error: ServiceError) -> str:
    """One sentence on what to do about an error."""
    return ADVICE.get(error.code, "Try again in a moment.")


def moment(at: datetime | None) -> str:
    """A time as people in a plant write it, UTC: `2026-01-31 14:05`, with seconds where there are any."""
    if at is None:
        return "–"
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}" if at.second else f"{at:%Y-%m-%d %H:%M}"


def time_tag(at: datetime | None) -> Markup:
    """A time as an element that machines read too."""
    if at is None:
        return Markup('<span class="muted">–</span>')
    iso = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(iso, moment(at), moment(at))


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago, or in how long, in the largest unit that says enough."""
    if at is None:
        return "never"
    seconds = (now - at).total_seconds()
    said = lasting(timedelta(seconds=abs(seconds)))
    return f"{said} ago" if seconds >= 0 else f"in {said}"


def lasting(span: timedelta | float | None) -> str:
    """A duration: `45 s`, `12 min`, `5 h`, `3 days`."""
    if span is None:
        return "–"
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    for unit, size, limit in (("s", 1, 90), ("min", 60, 90 * 60), ("h", 3600, 48 * 3600)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def number(value: float | None, digits: int = 3) -> str:
    """A figure with thousands separated, and no more digits than say something."""
    if value is None:
        return "–"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) >= 1000):
        return f"{int(value):,}"
    return f"{value:,.{digits}g}" if abs(value) < 1000 else f"{value:,.0f}"


def percent(share: float | None) -> str:
    """A share of one in percent; what is there is never shown as 0."""
    if share is None:
        return "–"
    if not share:
        return "0 %"
    if share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"


def size(n_bytes: int | None) -> str:
    """Bytes in decimal units."""
    if n_bytes is None:
        return "–"
    amount = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"


def words(name: str | None) -> str:
    """A word of the API as people write it: `IN_PROGRESS` is `in progress`."""
    return "–" if name is None else name.replace("_", " ").lower()


def plural(n: int, noun: str, several: str | None = None) -> str:
    """A number with its noun: `1 sensor`, `1,200 sensors`."""
    return f"{n:,} {noun if n == 1 else several or noun + 's'}"


def path(*parts: object) -> str:
    """An address of ours whose parts are names: `path("models", "pump")` is `/models/pump`."""
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


def query(**values: object) -> str:
    """What follows an address: `?a=1&b=2`, without what is None."""
    given = {name: value for name, value in values.items() if value is not None}
    return f"?{urlencode(given, doseq=True)}" if given else ""


def short_sensor(full_name: str) -> str:
    """The sensor without its component."""
    return full_name.partition("\\")[2] or full_name


def breakable(name: str) -> Markup:
    """A long name that may go on in the next line after its signs, not in the middle of a word."""
    return Markup(re.sub(r"([\\_./-])", r"\1<wbr>", str(escape(name))))  # noqa: S704  # It is escaped.


QUALITIES = {
    "QUALITY_THRESHOLD_MET": "good quality",
    "POOR_QUALITY_DETECTED": "poor quality",
    "CANNOT_DETERMINE_QUALITY": "quality unknown",
}


def zoomed(start: datetime, end: datetime) -> dict[str, str]:
    """The part of an address that shows a stretch of time with as much again to either side."""
    margin = max(end - start, timedelta(minutes=30))
    return {
        name: f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        for name, at in (("from", start - margin), ("to", end + margin))
    }


class _Environment(Environment):
    """A member that an answer of the API leaves out is None; a name that nothing has given is a mistake."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        found = super().getattr(obj, attribute)
        return None if isinstance(found, Undefined) and isinstance(obj, Mapping) else found


def _environment() -> Environment:
    environment = _Environment(
        loader=PackageLoader("openlookout.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "moment": moment,
        "time": time_tag,
        "lasting": lasting,
        "number": number,
        "percent": percent,
        "size": size,
        "words": words,
        "short_sensor": short_sensor,
        "breakable": breakable,
    }
    environment.filters |= filters
    environment.globals |= {"path": path, "query": query, "ago": ago, "plural": plural, "static": static_files.url}
    environment.globals |= {"QUALITIES": QUALITIES, "zoomed": zoomed}
    environment.globals["unwanted_styles"] = static_files.unwanted_styles
    return environment


ENVIRONMENT = _environment()

# What people open first: it is ready first.
OPENED_FIRST = (
    "base.html",
    "ui.html",
    "overview.html",
    "parts_model.html",
    "model.html",
    "detectability.html",
    "live.html",
    "event.html",
)


def prepare() -> None:
    """Compile all templates and read Plotly.js, so that no visitor waits for it; may run beside everything else."""
    static_files.unwanted_styles()
    names = [name for name in ENVIRONMENT.list_templates() if name.endswith(".html")]
    for name in (*OPENED_FIRST, *names):
        ENVIRONMENT.get_template(name)
