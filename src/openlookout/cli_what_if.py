"""The command line of what-ifs: a table of what limits come to."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openlookout.console.what_if_ports import Run, Tried

FACTORS = (0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0)
HEAD = ("limit", "alarms a month", "outside labels", "hours of them a month", "caught", "warning")


def table(model: str, run: "Run", tried: "Sequence[Tried]") -> str:
    """Give what some factors come to, as lines of text."""
    rows = [HEAD, *(_row(one) for one in tried)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEAD))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(
        [f"Version {run.version} of {model}, {run.start:%Y-%m-%d %H:%M} to {run.end:%Y-%m-%d %H:%M}", *lines]
    )


def _row(one: "Tried") -> tuple[str, ...]:
    caught = f"{one.n_found} of {len(one.labelled)}" if one.labelled else "-"
    warning = "-" if one.warning is None else f"{one.warning.total_seconds() / 86400:.2f} days"
    costs = (f"{one.alarms_a_month:.2f}", str(one.n_false), f"{one.false_hours_a_month:.2f}")
    return (f"x {one.factor:g}", *costs, caught, warning)
