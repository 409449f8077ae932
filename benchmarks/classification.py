"""Is it the sensor, the machine, or another way of working? Faults of known kind planted in real series.

`BENCH_DATA=… python benchmarks/classification.py [--draws 2]` plants faults into held-out normal rows of each data set,
one at a time, where hardly an alarm is without it, and asks what the event that overlaps it most was called. Prints,
for each planted fault, how many alarmed and the verdicts; then precision and recall of each kind over what alarmed, as
a mean of the data sets, and what labelled events of the real series are called, where nobody planted anything.

Planted as *instrument*: stuck, dead (at 0 or, if that is normal, at the lowest reading less its range), a spike,
a factor, two exchanged, noise. As *machine*: one sensor drifts, three drift, three read as at another time, so that
relations break. As *unseen mode*: all sensors move along the main direction of training, beyond what it showed.
"""

import argparse
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from attribution import AROUND, history
from openlookout.detection.contract import TrainingError
from openlookout.detection.ensemble import Ensemble
from openlookout.detection.recent import Explained, explain, scored_rows
from openlookout.detection.training import fit

SERIES_MAX, HELD_OUT_ROWS_MAX, TRAINING_ROWS_MAX = 4, 4_000, 40_000
EVENT_ROWS_MAX, EVENT_ROWS_MIN = 300, 20
ANYWAY_SHARE_MAX = 0.2
UNORDERED = {"metropt3_windows"}
KINDS = ("instrument", "machine", "unseen_mode")


class Plot:
    """Where a fault is planted: rows of an event, their past, and sensors to choose from."""

    def __init__(self, rows: np.ndarray, held: np.ndarray, event: slice, moving: np.ndarray, rng: np.random.Generator):
        self.past, self.held, self.event, self.rng = rows, held.copy(), event, rng
        self.sensors = rng.permutation(moving)
        self.spread = 1.4826 * np.nanmedian(np.abs(rows - np.nanmedian(rows, axis=0)), axis=0)
        self.n = event.stop - event.start

    def change(self, sensor: int, values: np.ndarray | float) -> None:
        self.held[self.event, sensor] = values

    def now(self, sensor: int) -> np.ndarray:
        return self.held[self.event, sensor]


def stuck(plot: Plot) -> None:
    plot.change(plot.sensors[0], plot.now(plot.sensors[0])[0])


def dead(plot: Plot) -> None:
    sensor = plot.sensors[0]
    low, high = np.nanmin(plot.past[:, sensor]), np.nanmax(plot.past[:, sensor])
    plot.change(sensor, 0.0 if not low <= 0 <= high else low - (high - low))


def spike(plot: Plot) -> None:
    values = plot.now(plot.sensors[0]).copy()
    values[0] += plot.rng.choice([-1, 1]) * 30 * plot.spread[plot.sensors[0]]
    plot.change(plot.sensors[0], values)


def factor(plot: Plot) -> None:
    plot.change(plot.sensors[0], plot.now(plot.sensors[0]) * plot.rng.choice([0.1, 1.8, 10, 1000]))


def exchanged(plot: Plot) -> None:
    first, second = plot.sensors[:2]
    values = plot.now(first).copy()
    plot.change(first, plot.now(second))
    plot.change(second, values)


def noise(plot: Plot) -> None:
    sensor = plot.sensors[0]
    plot.change(sensor, plot.now(sensor) + plot.rng.normal(0, 5 * plot.spread[sensor], plot.n))


def one_drifts(plot: Plot) -> None:
    _drift(plot, plot.sensors[:1])


def three_drift(plot: Plot) -> None:
    _drift(plot, plot.sensors[:3])


def _drift(plot: Plot, sensors: np.ndarray) -> None:
    for sensor in sensors:
        size = plot.rng.choice([-1, 1]) * plot.rng.uniform(6, 12) * plot.spread[sensor]
        plot.change(sensor, plot.now(sensor) + np.linspace(0, size, plot.n))


def relations_break(plot: Plot) -> None:
    for sensor in plot.sensors[:3]:
        first = plot.rng.integers(0, len(plot.past) - plot.n)
        plot.change(sensor, plot.past[first : first + plot.n, sensor])


def mode(plot: Plot) -> None:
    scaled = np.nan_to_num(
        (plot.past - np.nanmean(plot.past, axis=0)) / np.maximum(np.nanstd(plot.past, axis=0), 1e-12)
    )
    _, _, axes = np.linalg.svd(scaled[:: max(len(scaled) // 4000, 1)], full_matrices=False)
    along = np.abs(scaled @ axes[0])
    move = axes[0] * plot.rng.choice([-1, 1]) * 2 * along.max()
    plot.held[plot.event] += move * np.nanstd(plot.past, axis=0)


FAULTS: dict[Callable[[Plot], None], str] = {
    stuck: "instrument",
    dead: "instrument",
    spike: "instrument",
    factor: "instrument",
    exchanged: "instrument",
    noise: "instrument",
    one_drifts: "machine",
    three_drift: "machine",
    relations_break: "machine",
    mode: "unseen_mode",
}


def verdict(detector: Ensemble, rows: np.ndarray, segment: np.ndarray, event: slice) -> str | None:
    """What the event was called that overlaps these rows most; None without an alarm in them."""
    best = _overlapping(_explained(detector, rows, segment), event)
    return None if best is None else best.evidence["kind"]


def _explained(detector: Ensemble, rows: np.ndarray, segment: np.ndarray) -> list[Explained]:
    scores, _ = detector.score(rows, segment)
    scored = scored_rows(np.arange(len(rows)), segment, rows, scores)
    names = [f"c\\{k}" for k in range(rows.shape[1])]
    return explain(detector, scored, scores.contribution, rate_us=1, names=names)


def _overlapping(events: list[Explained], rows: slice) -> Explained | None:
    def overlap(each: Explained) -> int:
        return min(each.event.rows[1] + 1, rows.stop) - max(each.event.rows[0], rows.start)

    touching = [each for each in events if overlap(each) > 0]
    return max(touching, key=overlap, default=None)


def planted(rows: np.ndarray, segment: np.ndarray, seed: int, draws: int) -> Iterator[tuple[str, str | None]]:
    """The planted faults of a series and their verdicts."""
    cut = len(rows) * 4 // 5
    first = max(cut - TRAINING_ROWS_MAX, 0)
    try:
        detector = fit(rows[first:cut], np.ones(cut - first, bool), segment[first:cut])
    except TrainingError:
        return
    held, where = rows[cut:][:HELD_OUT_ROWS_MAX], segment[cut:][:HELD_OUT_ROWS_MAX]
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        n_event = min(EVENT_ROWS_MAX, len(held) // 3)
        begin = int(rng.integers(len(held) // 3, max(len(held) - n_event, len(held) // 3 + 1)))
        # Within one segment: a fault that a border cuts is two.
        length = int(np.argmax(np.r_[where[begin:] != where[begin], True]))
        event = slice(begin, begin + min(n_event, length))
        if event.stop - event.start < EVENT_ROWS_MIN:
            continue
        spread = np.nanmedian(np.abs(rows[:cut] - np.nanmedian(rows[:cut], axis=0)), axis=0)
        moving = np.flatnonzero((spread > 0) & ~np.isnan(held[event]).any(axis=0))
        if len(moving) < 3:
            continue
        if detector.score(held, where)[0].alarm[event].mean() > ANYWAY_SHARE_MAX:
            continue  # It alarms without a fault.
        for fault in FAULTS:
            plot = Plot(rows[first:cut], held, event, moving, rng)
            fault(plot)
            yield fault.__name__, verdict(detector, plot.held, where, event)


def labelled(path: Path) -> Iterator[str | None]:
    """What the labelled events of a real series are called."""
    frame = pl.read_parquet(path)
    train = frame["is_train"].to_numpy() == 1
    sensors = [name for name in frame.columns if name not in AROUND and frame[name].dtype.is_float()]
    rows = frame.select(sensors).to_numpy().astype(np.float64)
    rows = rows[:, ~np.isnan(rows[train]).all(axis=0)]
    segment = frame["segment"].to_numpy().astype(np.int64)
    label = frame["label"].to_numpy()[~train]
    try:
        detector = fit(rows[train], np.ones(train.sum(), bool), segment[train])
    except TrainingError:
        return
    found = _explained(detector, rows[~train], segment[~train])
    edges = np.diff(np.r_[0, (label == 1).astype(int), 0])
    for first, last in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        best = _overlapping(found, slice(int(first), int(last)))
        yield None if best is None else best.evidence["kind"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=2)
    given = parser.parse_args()
    data = Path(os.environ["BENCH_DATA"])
    by_fault: dict[str, Counter[str | None]] = defaultdict(Counter)
    figures: dict[str, list[float]] = defaultdict(list)
    for folder in sorted(path for path in data.iterdir() if path.is_dir() and path.name not in UNORDERED):
        table: Counter[tuple[str, str]] = Counter()
        for number, path in enumerate(sorted(folder.glob("*.parquet"))[:SERIES_MAX]):
            for fault, told in planted(*history(path), number, given.draws):
                by_fault[fault][told] += 1
                if told is not None:
                    table[next(kind for each, kind in FAULTS.items() if each.__name__ == fault), told] += 1
        real = Counter(told for path in sorted(folder.glob("*.parquet"))[:SERIES_MAX] for told in labelled(path))
        said = []
        for kind in KINDS:
            n_true, n_told = sum(table[kind, told] for told in KINDS), sum(table[true, kind] for true in KINDS)
            recall = table[kind, kind] / n_true if n_true else float("nan")
            precision = table[kind, kind] / n_told if n_told else float("nan")
            figures[f"{kind} recall"].append(recall)
            figures[f"{kind} precision"].append(precision)
            said.append(f"{kind} {recall:.2f} of {n_true}, precision {precision:.2f}")
        real_said = ", ".join(f"{kind or 'no alarm'} {n}" for kind, n in sorted(real.items(), key=str))
        print(f"{folder.name:10} {'; '.join(said)}; labelled events: {real_said}", flush=True)
    for fault, kind in FAULTS.items():
        told = by_fault[fault.__name__]
        print(f"{fault.__name__:16} {kind:12} {dict(told)}")
    for name, values in figures.items():
        print(f"{name:24} {np.nanmean(values):.2f}")


if __name__ == "__main__":
    main()
