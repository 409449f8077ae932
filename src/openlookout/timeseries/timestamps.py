"""Timestamps as sensor files write them: which texts are times, and which microsecond since the epoch they mean.

Knows columns of text. A text means the same time whatever its neighbours are: the fast path over a whole column is a
shortcut of the general pattern, never another rule.
"""

import re
from dataclasses import dataclass

import polars as pl

# Historians write 1601, 1899 or 9999 where they have no time; a machine has no readings there. Ours.
YEAR_MIN, YEAR_MAX = 1970, 2199

# Guide, "Formatting your data". Fractions, one-digit fields, a bare date (midnight) and a zone suffix are ours.
_GENERAL = (
    r"^\s*(?:(?P<y1>\d{4})-(?P<m1>\d{1,2})-(?P<d1>\d{1,2})|(?P<y2>\d{4})/(?P<m2>\d{1,2})/(?P<d2>\d{1,2})"
    r"|(?P<y3>\d{4}) (?P<m3>\d{1,2}) (?P<d3>\d{1,2})|(?P<y4>\d{4})(?P<m4>\d{2})(?P<d4>\d{2}))"
    r"(?:(?:[T -]\s*(?P<H1>\d{1,2}):(?P<M1>\d{1,2})(?::(?P<S1>\d{1,2}(?:\.\d{1,9})?))?"
    r"|-(?P<H2>\d{1,2})-(?P<M2>\d{1,2})(?:-(?P<S2>\d{1,2}(?:\.\d{1,9})?))?"
    r"|(?P<H3>\d{2})(?P<M3>\d{2})(?P<S3>\d{2}(?:\.\d{1,9})?)?)"
    r"(?:Z|(?P<zone>[+-]\d{2}:?\d{2}))?)?\s*$"
)
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y %m %d", "%Y%m%d")
_TIMES = (
    *(" %H:%M:%S", "T%H:%M:%S", "-%H:%M:%S", "-%H-%M-%S", "%H%M%S"),
    *(" %H:%M", "T%H:%M", "-%H:%M", "-%H-%M", "%H%M"),
)
_ZONES = ("", "Z", "+00:00")


@dataclass(frozen=True)
class TimestampFormat:
    """A format that the fast path tries on a whole column, and the zone suffix that is cut off before it."""

    text: str
    zone: str


def parse_timestamps(column: pl.Series, hint: TimestampFormat | None) -> tuple[pl.Series, TimestampFormat | None]:
    """Read a column of texts as Int64 microseconds since the epoch, UTC; null where a text is no supported timestamp.

    A text without zone is UTC. `hint` is the format that the chunk before was read with; the second value is the hint
    for the next. Mixed formats within a column are read, only slower.
    """
    first = column.drop_nulls().head(1)
    if first.is_empty():
        return pl.Series(column.name, [None] * len(column), dtype=pl.Int64), hint
    if hint is None or _fast(first, hint).null_count():
        hint = _detect(first) or hint
    times = _general(column) if hint is None else _fast(column, hint)
    if hint is not None and times.null_count() > column.null_count():
        rest = times.is_null() & column.is_not_null()
        times = times.scatter(rest.arg_true(), _general(column.filter(rest)))
    years = times.cast(pl.Datetime("us")).dt.year()
    return times.set(~years.is_between(YEAR_MIN, YEAR_MAX), None), hint


def _detect(first: pl.Series) -> TimestampFormat | None:
    """Find the format of one text, given as a column of one; None for a text that only the general pattern reads."""
    for candidate, pattern in _CANDIDATES:
        if pattern.fullmatch(first[0]) and _fast(first, candidate).null_count() == 0:
            return candidate
    return None


def _fast(column: pl.Series, form: TimestampFormat) -> pl.Series:
    """Read the texts that have exactly this form; null for every other."""
    texts = column.str.strip_suffix(form.zone) if form.zone else column
    times = texts.str.strptime(pl.Datetime("us"), form.text, strict=False).cast(pl.Int64)
    # strptime lets blanks be left out or put in where the general pattern does not.
    return times.set(~texts.str.contains(_exact_form(form.text)).fill_null(value=False), None)


def _exact_form(text: str) -> str:
    """Give the pattern of the texts that a format means: with separators one digit is enough, without it is not."""
    short, time_short = ("[0-9]{2}" if compact in text else "[0-9]{1,2}" for compact in ("%Y%m", "%H%M"))
    pattern = text.replace("%Y", "[0-9]{4}").replace("%.f", r"\.[0-9]{1,9}")
    for code in ("%m", "%d"):
        pattern = pattern.replace(code, short)
    for code in ("%H", "%M", "%S"):
        pattern = pattern.replace(code, time_short)
    return f"^{pattern}$"


def _general(column: pl.Series) -> pl.Series:
    """Read each text by the general pattern: rewrite it into one format, then parse that."""
    field = pl.col("fields").struct.field
    frame = pl.DataFrame({"text": column.cast(pl.String)}).select(
        pl.col("text").str.extract_groups(_GENERAL).alias("fields")
    )
    padded = frame.select(
        year=pl.coalesce(*(field(f"y{i}") for i in (1, 2, 3, 4))),
        month=pl.coalesce(*(field(f"m{i}") for i in (1, 2, 3, 4))).str.zfill(2),
        day=pl.coalesce(*(field(f"d{i}") for i in (1, 2, 3, 4))).str.zfill(2),
        hour=pl.coalesce(*(field(f"H{i}") for i in (1, 2, 3)), pl.lit("00")).str.zfill(2),
        minute=pl.coalesce(*(field(f"M{i}") for i in (1, 2, 3)), pl.lit("00")).str.zfill(2),
        second=pl.coalesce(*(field(f"S{i}") for i in (1, 2, 3)), pl.lit("0")),
        zone=field("zone").str.replace(":", "", literal=True),
    )
    sign = pl.when(pl.col("zone").str.starts_with("-")).then(-1).otherwise(1)
    minutes = pl.col("zone").str.slice(1, 2).cast(pl.Int64) * 60 + pl.col("zone").str.slice(3, 2).cast(pl.Int64)
    return padded.select(
        pl.format("{}-{}-{} {}:{}:{}", "year", "month", "day", "hour", "minute", "second")
        .str.strptime(pl.Datetime("us"), "%Y-%m-%d %H:%M:%S%.f", strict=False)
        .cast(pl.Int64)
        - (sign * minutes * 60_000_000).fill_null(0)
    ).to_series()


_CANDIDATES = tuple(
    (
        TimestampFormat(date + time + fraction, zone),
        re.compile(_exact_form(date + time + fraction)[:-1] + re.escape(zone)),
    )
    for zone in _ZONES
    for date in _DATES
    for time in _TIMES
    for fraction in (("", "%.f") if time.endswith("%S") else ("",))
)
