"""The agreement report: on the terminal, as one HTML file that needs nothing else, and as JSON."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files

from jinja2 import Environment
from rich.console import Console
from rich.table import Table

from openlookout.adopt.agreement import Agreement, Compared

SHOWN_MAX = 40  # Alarms on the terminal; the files have all.
WIDTH = 1000.0


def show(console: Console, agreements: Sequence[Agreement]) -> None:
    """Print the report."""
    for one in agreements:
        console.rule(f"Agreement with the old service: {one.model}")
        for said in one.said:
            console.print(said)
        if not one.spans:
            continue
        for line in summary(one):
            console.print(line)
        if one.alarms:
            console.print(_table(one.alarms))
        if len(one.alarms) > SHOWN_MAX:
            console.print(f"and {len(one.alarms) - SHOWN_MAX} more, in the files")


def summary(one: Agreement) -> list[str]:
    """The sentences that count."""
    spans = f"{one.spans[0][0]:%Y-%m-%d} to {one.spans[-1][1]:%Y-%m-%d}, {one.months * 30.44:.0f} days"
    lines = [f"Both looked at {spans}. {one.n_found} of {len(one.alarms)} old alarms were found again."]
    leads = sorted(alarm.lead_hours for alarm in one.alarms if alarm.lead_hours is not None)
    if leads:
        middle = leads[len(leads) // 2]
        lines.append(f"Where both alarmed, this service was {lead_text(middle)} (the middle of {len(leads)}).")
    shared = [
        (alarm.n_shared, alarm.n_leading) for alarm in one.alarms if alarm.n_shared is not None and alarm.n_leading
    ]
    if shared:
        mean = sum(n for n, _ in shared) / len(shared)
        of = sum(n for _, n in shared) / len(shared)
        lines.append(
            f"Of the {round(of, 1):g} leading sensors that the old service named, {round(mean, 1):g} are among ours."
        )
    then, now = one.a_month(one.n_then), one.a_month(one.n_now)
    if then is not None and now is not None:
        lines.append(
            f"Alarms a month: {then:.1f} then, {now:.1f} now; {one.n_only_now} that the old service did not have."
        )
    return lines


def lead_text(hours: float) -> str:
    """By how much earlier or later, for people."""
    if abs(hours) < 1 / 60:
        return "as early"
    size = f"{abs(hours) * 60:.0f} minutes" if abs(hours) < 2 else f"{abs(hours):.1f} hours"
    return f"{size} {'earlier' if hours > 0 else 'later'}"


def _table(alarms: Sequence[Compared]) -> Table:
    table = Table("old alarm", "found", "first alarm", "same leading sensors", "leading now")
    for one in alarms[:SHOWN_MAX]:
        found = "yes" if one.is_found else "[red]no[/red]"
        lead = "" if one.lead_hours is None else lead_text(one.lead_hours)
        shared = "" if one.n_shared is None else f"{one.n_shared} of {one.n_leading}"
        when = f"{one.start:%Y-%m-%d %H:%M} to {one.end:%Y-%m-%d %H:%M}"
        table.add_row(when, found, lead, shared, ", ".join(one.leading_now[:3]))
    return table


def as_json(agreements: Sequence[Agreement], problems: Sequence[str]) -> str:
    """The report for programs."""
    return json.dumps({"models": [one.as_json() for one in agreements], "problems": list(problems)}, indent=1) + "\n"


def as_html(agreements: Sequence[Agreement], problems: Sequence[str], now: datetime) -> str:
    """The report as one page: no script, nothing from elsewhere."""
    template = files("openlookout.adopt").joinpath("report.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        agreements=[(one, summary(one) if one.spans else [], _bars(one)) for one in agreements],
        problems=problems,
        now=f"{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        lead_text=lead_text,
        width=WIDTH,
    )


def _bars(one: Agreement) -> list[tuple[str, list[tuple[float, float]]]]:
    """Rows of the picture: name, and where its bars begin and how long they are."""
    if not one.spans:
        return []
    start, end = one.spans[0][0], one.spans[-1][1]
    length = (end - start).total_seconds()

    def bar(first: datetime, last: datetime) -> tuple[float, float]:
        left = (max(first, start) - start).total_seconds() / length * WIDTH
        return round(left, 2), round(max((min(last, end) - start).total_seconds() / length * WIDTH - left, 1.5), 2)

    return [
        ("looked at by both", [bar(*span) for span in one.spans]),
        ("old service", [bar(alarm.start, alarm.end) for alarm in one.alarms]),
        ("OpenLookout", [bar(event.start, event.end) for event in one.now]),
    ]
