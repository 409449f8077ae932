"""What the old service found: its alarms as intervals, with the sensors that led, from whatever it left of them."""

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from openlookout.adopt.facts import moment

LEADING = 5
UNPACKED_BYTES_MAX = 2_000_000_000
# Alarms of neighbouring rows are one; a row that is missing between them does not part them.
STEPS_MAX = 2.5


class NoResults(Exception):
    """The file holds no results; the message says why."""


@dataclass(frozen=True)
class Interval:
    """From when to when there was an alarm; `leading` are the sensors with the largest shares, the first one first."""

    start: datetime
    end: datetime
    leading: tuple[str, ...]


@dataclass
class Found:
    """Intervals, and the spans of time in which they were looked for. `origins`: what was read."""

    intervals: list[Interval] = field(default_factory=list)
    spans: list[tuple[datetime, datetime]] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)


Row = tuple[datetime, bool, Mapping[str, float]]


def read_rows(content: bytes) -> list[Row]:
    """Read results.jsonl or model_diagnostics_results.json.gz: time, alarm and shares of each row, in time order.

    Raises:
        NoResults: it cannot be unpacked, or a line is none; the line is named.
    """
    if content[:2] == b"\x1f\x8b":
        try:
            content = _unpacked(content)
        except (OSError, EOFError, zlib.error) as error:
            raise NoResults(f"it cannot be unpacked: {error}") from None
    rows: list[Row] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            at = moment(row["timestamp"])
            if not isinstance(at, datetime):
                raise ValueError("no time")
            shares = {one["name"]: float(one["value"]) for one in row.get("diagnostics", [])}
            rows.append((at, int(row["prediction"]) == 1, shares))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NoResults(f"line {number} is no result, or breaks off") from None
    if not rows:
        raise NoResults("it has no rows")
    return sorted(rows, key=lambda row: row[0])


def _unpacked(content: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    text = unpacker.decompress(content, UNPACKED_BYTES_MAX)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise gzip.BadGzipFile("it breaks off, or is larger than any results")
    return text


def intervals_of(rows: Sequence[Row]) -> list[Interval]:
    """Join alarms of neighbouring rows; rows come in time order."""
    if not rows:
        return []
    steps = [(b[0] - a[0]).total_seconds() for a, b in pairwise(rows) if b[0] > a[0]]
    step = timedelta(seconds=median(steps) if steps else 300)
    runs: list[list[Row]] = []
    before: Row | None = None
    for row in rows:
        if row[1]:
            goes_on = before is not None and before[1] and row[0] - before[0] <= step * STEPS_MAX
            if goes_on:
                runs[-1].append(row)
            else:
                runs.append([row])
        before = row
    return [Interval(run[0][0] - step, run[-1][0], leading(row[2] for row in run)) for run in runs]


def of_metrics(text: Any, origin: str) -> Found | None:
    """Read ModelMetrics: the ranges that an evaluation found; None for anything else."""
    try:
        metrics = json.loads(text) if isinstance(text, str) else text
        ranges = metrics["predicted_ranges"]
        found = [
            Interval(moment(one["start"]), moment(one["end"]), leading([_shares(one.get("diagnostics", []))]))
            for one in ranges
        ]
    except (ValueError, KeyError, TypeError):
        return None
    return Found(found, [], [origin])


def of_event(members: Mapping[str, Any]) -> Interval | None:
    """Read a row of ListInferenceEvents."""
    start, end = members.get("EventStartTime"), members.get("EventEndTime")
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        return None
    try:
        shares = _shares(json.loads(members.get("Diagnostics", "[]")))
    except (ValueError, KeyError, TypeError):
        shares = {}
    return Interval(start, end, leading([shares]))


def _shares(diagnostics: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    return {one["name"]: float(one["value"]) for one in diagnostics}


def leading(shares: Iterable[Mapping[str, float]]) -> tuple[str, ...]:
    """The sensors with the largest shares in sum."""
    total: dict[str, float] = {}
    for one in shares:
        for name, share in one.items():
            total[name] = total.get(name, 0.0) + share
    return tuple(sorted(total, key=lambda name: (-total[name], name))[:LEADING])


def merged(spans: Iterable[tuple[datetime, datetime]], gap: timedelta = timedelta()) -> list[tuple[datetime, datetime]]:
    """Join spans that overlap, or lie no more than a gap apart."""
    joined: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1] + gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
