"""Figures: what a chart shows, as JSON that `static/charts.js` draws. Knows numbers and words, no colours and no rows.

A figure is a mapping with `traces` (name, x, y, kind: line, steps, bars, band, marks; axis: 1 or 2; tone), `ranges`
(start, end, kind: label, event, gap, off, train, evaluate, chosen; text; `y0`, `y1`: the part of the height, 0 to 1),
`lines` (y, text), `start` and `end` of what is shown, `y` (title, log, low, high, step: from one tick to the next), `x`
(kind: number for other than times, all of which are then shown) and `note`, a sentence below it. Times are milliseconds
since 1970.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

from openlookout.api.errors import ValidationException

Figure = dict[str, Any]


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def from_milliseconds(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def moment(text: str | None, name: str) -> datetime | None:
    """Read a time as addresses and forms hold it, UTC where it says no zone; None for nothing.

    Raises:
        ValidationException: it is no time.
    """
    if text is None or not text.strip():
        return None
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        message = f"{name} must be a time such as 2026-01-31 14:05, not '{text[:100]}'."
        raise ValidationException(message) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def span(query: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    """The range that an address asks for: `from` and `to`, each open where absent."""
    return moment(query.get("from"), "from"), moment(query.get("to"), "to")


def sketch(figure: Figure) -> Markup:
    """Give a figure of scores as SVG: what a page shows at once, until the chart that can be zoomed stands there.

    One trace, its ranges and lines; the axes of `static/charts.js` and their room are left out.
    """
    start, end = figure["start"], figure["end"]
    low, high = figure["y"]["low"], figure["y"]["high"]
    across, up = 1000 / max(end - start, 1), 100 / (high - low)
    ranges = "".join(
        f'<rect class="{one["kind"]}" x="{(one["start"] - start) * across:.1f}" y="{100 - 100 * one["y1"]:.1f}" '
        f'width="{(one["end"] - one["start"]) * across:.1f}" height="{100 * (one["y1"] - one["y0"]):.1f}"/>'
        for one in figure["ranges"]
    )
    heights = [100 - (one["y"] - low) * up for one in figure["lines"]]
    limits = "".join(f'<line class="limit" x1="0" x2="1000" y1="{y:.1f}" y2="{y:.1f}"/>' for y in heights)
    (trace,) = figure["traces"]
    moves, pen = [], "M"
    for x, y in zip(trace["x"], trace["y"], strict=True):
        if y is None:
            pen = "M"
            continue
        moves.append(f"{pen}{(x - start) * across:.1f} {100 - (y - low) * up:.1f}")
        pen = "L"
    path = f'<path class="line" d="{"".join(moves)}"/>'
    return Markup(  # noqa: S704  # Numbers, and kinds of ours.
        f'<svg class="sketch" viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">'
        f"{ranges}{limits}{path}</svg>"
    )


def sparkline(values: Sequence[float | None], label: str, limit: float | None = None, high: float = 1.0) -> Markup:
    """Give a small line as SVG, one step a value, None a gap; what passes `limit` is marked; `label` is it in words."""
    n = max(len(values), 1)
    points: list[list[str]] = [[]]
    alarms = []
    for i, value in enumerate(values):
        if value is None:
            points.append([])
            continue
        y = 30 - 28 * min(max(value / high, 0.0), 1.0)
        points[-1].append(f"{100 * (i + 0.5) / n:.2f},{y:.2f}")
        if limit is not None and value > limit:
            alarms.append(f'<rect class="alarm" x="{100 * i / n:.2f}" y="30" width="{100 / n:.2f}" height="2"/>')
    lines = "".join(f'<polyline class="line" points="{" ".join(one)}"/>' for one in points if one)
    level = ""
    if limit is not None:
        y = 30 - 28 * min(limit / high, 1.0)
        level = f'<line class="limit" x1="0" x2="100" y1="{y:.2f}" y2="{y:.2f}"/>'
    return Markup(  # noqa: S704  # Numbers, and a text that is escaped.
        f'<svg class="spark" viewBox="0 0 100 32" preserveAspectRatio="none" role="img" aria-label="{escape(label)}">'
        f"{level}{lines}{''.join(alarms)}</svg>"
    )
