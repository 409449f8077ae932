"""The simulated plant as files in a bucket folder: a year of CSV, labels, and the files that arrive for inference."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from openlookout.demo.plant import COMPONENTS, FAILURE, PAST, START, Plant, Readings

YEAR_END = START + timedelta(days=365)
BAD_VALUE = "Bad Input"
LABEL_LEAD = {fault: (fault.failure - fault.onset) * 0.6 for fault in (*PAST, FAILURE)}


def write_year(plant: Plant, folder: Path) -> int:
    """Write `<component>/<year>-<month>.csv` from START to YEAR_END, with the flaws of a real historian.

    Gaps of hours, blanks, words instead of numbers and repeated rows. Gives the number of bytes.
    """
    rng = np.random.default_rng(1)
    readings = plant.readings(START - timedelta(minutes=5), YEAR_END)
    months = np.array([datetime.fromtimestamp(at, UTC).strftime("%Y-%m") for at in readings.times.tolist()])
    n_bytes = 0
    for component in COMPONENTS:
        frame = _frame(readings, component, rng).with_columns(pl.Series("month", months))
        gone = np.zeros(len(frame), bool)
        for at in rng.integers(0, len(frame) - 100, 4):
            gone[at : at + int(rng.integers(12, 60))] = True
        frame = frame.filter(~pl.Series(gone))
        twice = np.sort(np.r_[np.arange(len(frame)), rng.integers(0, len(frame), 40)])
        for (month,), part in frame[twice].group_by("month", maintain_order=True):
            path = folder / component / f"{month}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            part.drop("month").write_csv(path)
            n_bytes += path.stat().st_size
    return n_bytes


def write_labels(folder: Path) -> int:
    """Write one label file: the last part of each fault up to its failure and repair; give how many."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"{fault.failure - lead:%Y-%m-%dT%H:%M:%S.%f},{fault.failure + fault.outage:%Y-%m-%dT%H:%M:%S.%f}"
        for fault, lead in LABEL_LEAD.items()
    ]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return len(lines)


def write_window(plant: Plant, folder: Path, start: datetime, end: datetime) -> None:
    """Write the inference input of (start, end]: `<component>_<start>.csv` for each component."""
    folder.mkdir(parents=True, exist_ok=True)
    readings = plant.readings(start, end)
    for component in COMPONENTS:
        path = folder / f"{component}_{start:%Y%m%d%H%M%S}.csv"
        hidden = path.with_name(f".{path.name}.part")
        _frame(readings, component, None).write_csv(hidden)
        hidden.replace(path)  # A file that is listed is whole.


def _frame(readings: Readings, component: str, flaws: np.random.Generator | None) -> pl.DataFrame:
    times = pl.Series("Timestamp", (readings.times * 1e6).astype(np.int64)).cast(pl.Datetime("us"))
    columns = [times.dt.strftime("%Y-%m-%dT%H:%M:%S")]
    for sensor in COMPONENTS[component]:
        values = readings.values[f"{component}\\{sensor}"]
        column = pl.Series(sensor, values).cast(pl.String)
        if flaws is not None:
            rows = pl.Series(flaws.integers(0, len(values), 30))
            column = column.scatter(rows[:20], None).scatter(rows[20:], BAD_VALUE)
        columns.append(column)
    return pl.DataFrame(columns)
