"""Months of a simulated machine with known onsets: how early is a failure told, and how often is there a false alarm.

`python benchmarks/simulator.py [--minutes 60] [--draws 4] [--failure wear]…` prints a line a run and the means. Seeded.
A run is six months of training and then three quiet months, a new operating mode of three days, quiet days again and
one failure, whose onset is known. The machine has a load with days and weekends, three operating modes that training
knows, a season and weather (measured), sensors that wander on their own, and a maintenance every month, for which it
stands still for a shift and after which some sensors read a little differently.

Reported: alarms (events) and alarm hours a month of quiet time; minutes until the new mode is alarmed; days from the
first alarm between onset and failure to the failure, which is the warning time of ModelMetrics for a label over that
range; and what the first event of each is called.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from openlookout.detection.evaluate import model_metrics
from openlookout.detection.recent import Explained, explain, scored_rows
from openlookout.detection.training import fit

DAY_MINUTES = 1440
MONTH_DAYS = 30
TRAINING_DAYS, QUIET_DAYS, MODE_DAYS, BETWEEN_DAYS = 180, 90, 3, 12
N_RELATED, N_WANDERING = 9, 3
AFTER_MINUTES = 12 * 60  # An alarm ends some time after its cause.


@dataclass(frozen=True)
class Run:
    """`rows` (n_rows, n_sensors) and their `minutes` and `segment`; those before `training_end` are trained on.

    All in minutes: `mode` (begin, end) of the mode that training does not know; `onset` and `failure`.
    """

    rows: np.ndarray
    minutes: np.ndarray
    segment: np.ndarray
    step: int
    training_end: int
    mode: tuple[int, int]
    onset: int
    failure: int


@dataclass(frozen=True)
class Failure:
    """How many days it takes, and what it does: `change(rows, progress, noise, rng)`, progress from 0 to 1."""

    days: float
    change: Callable[[np.ndarray, np.ndarray, np.ndarray, np.random.Generator], None]


def wear(rows: np.ndarray, progress: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> None:
    """Three related sensors drift, faster and faster."""
    for sensor in (1 + rng.permutation(N_RELATED - 1))[:3]:
        rows[:, sensor] += rng.choice([-1, 1]) * 15 * noise[sensor] * progress**2


def leak(rows: np.ndarray, progress: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> None:
    """One sensor loses up to a third of its movement and level."""
    sensor = int(rng.integers(1, N_RELATED))
    rows[:, sensor] *= 1 - progress / 3
    rows[:, sensor] -= 5 * noise[sensor] * progress


def vibration(rows: np.ndarray, progress: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> None:
    """One sensor becomes noisier, up to ten times."""
    sensor = int(rng.integers(1, N_RELATED))
    rows[:, sensor] += rng.normal(0, 1, len(rows)) * 10 * noise[sensor] * progress**2


def fouling(rows: np.ndarray, progress: np.ndarray, _noise: np.ndarray, rng: np.random.Generator) -> None:
    """Two sensors follow the others less and less: half of their movement is gone at the end."""
    for sensor in (1 + rng.permutation(N_RELATED - 1))[:2]:
        middle = np.median(rows[:, sensor])
        rows[:, sensor] = middle + (rows[:, sensor] - middle) * (1 - progress / 2)


def sudden(rows: np.ndarray, progress: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> None:
    """Four sensors jump, hours before the end."""
    for sensor in (1 + rng.permutation(N_RELATED - 1))[:4]:
        rows[:, sensor] += rng.choice([-1, 1]) * 12 * noise[sensor] * (progress > 0)


FAILURES = {
    "wear": Failure(40, wear),
    "leak": Failure(14, leak),
    "vibration": Failure(21, vibration),
    "fouling": Failure(60, fouling),
    "sudden": Failure(0.25, sudden),
}


def run_of(failure: str, step: int, draw: int) -> Run:
    """A machine with one row every `step` minutes."""
    rng = np.random.default_rng([draw, step, *failure.encode()])
    kind = FAILURES[failure]
    training_end = TRAINING_DAYS * DAY_MINUTES
    mode_begin = training_end + QUIET_DAYS * DAY_MINUTES
    mode_end = mode_begin + MODE_DAYS * DAY_MINUTES
    onset = mode_end + BETWEEN_DAYS * DAY_MINUTES
    end = onset + int(kind.days * DAY_MINUTES)
    minutes = np.arange(0, end, step)
    rows, noise = _machine(minutes, (mode_begin, mode_end), rng)
    ill = minutes >= onset
    faulty = rows[ill]
    kind.change(faulty, (minutes[ill] - onset) / (end - onset), noise, rng)
    rows[ill] = faulty
    is_on, segment = _maintained(rows, minutes, noise, rng)
    return Run(rows[is_on], minutes[is_on], segment[is_on], step, training_end, (mode_begin, mode_end), onset, end)


def _machine(minutes: np.ndarray, unseen: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a sound machine and the noise of each sensor."""
    days, n = minutes / DAY_MINUTES, len(minutes)
    weekend = (days % 7) >= 5
    load = np.where(weekend, 4, 10) + 2 * np.sin(2 * np.pi * days) + _slow(0.3, 6 * 60, minutes, rng)
    # Every two to five days another of three modes, all of them within any month.
    changes = np.cumsum(rng.uniform(2, 5, 400))
    mode = rng.permuted(np.tile(np.arange(3), (200, 1)), axis=1).ravel()[np.searchsorted(changes, days)]
    mode = np.where((minutes >= unseen[0]) & (minutes < unseen[1]), 3, mode)
    slopes = rng.normal(0, 1, N_RELATED) + np.vstack([rng.normal(0, 0.2, (3, N_RELATED)), rng.normal(0, 1, N_RELATED)])
    offsets = np.vstack([rng.normal(0, 2, (3, N_RELATED)), rng.normal(0, 6, N_RELATED)])
    season = 8 * np.sin(2 * np.pi * (days / 365 + rng.random()))
    outside = season + 3 * np.sin(2 * np.pi * days) + _slow(2, 3 * DAY_MINUTES, minutes, rng)
    noise = np.r_[rng.uniform(0.1, 0.3, N_RELATED), np.full(N_WANDERING, 0.1)]
    rows = np.empty((n, N_RELATED + N_WANDERING))
    rows[:, :N_RELATED] = slopes[mode] * load[:, None] + offsets[mode]
    rows[:, 1:4] += 0.3 * outside[:, None]
    rows[:, 0] = outside  # Which is measured, and no failure changes it.
    for k in range(N_RELATED, N_RELATED + N_WANDERING):
        rows[:, k] = _walk(minutes, rng)
    return rows + rng.normal(0, 1, rows.shape) * noise, noise


def _slow(size: float, reach_minutes: int, minutes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Coloured noise: values drawn every `reach_minutes`, joined by lines."""
    knots = np.arange(0, minutes[-1] + 2 * reach_minutes, reach_minutes)
    return np.interp(minutes, knots, rng.normal(0, size, len(knots)))


def _walk(minutes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A bounded random walk of hourly steps."""
    hours = np.arange(0, minutes[-1] + 120, 60)
    level, out = 0.0, np.empty(len(hours))
    for i, step in enumerate(rng.normal(0, 0.1, len(hours))):
        level = float(np.clip(level + step, -8, 8))
        out[i] = level
    return np.interp(minutes, hours, out)


def _maintained(
    rows: np.ndarray, minutes: np.ndarray, noise: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Change some sensors a little at each maintenance; give where the machine runs, and the segments."""
    is_on, segment = np.ones(len(minutes), bool), np.zeros(len(minutes), np.int64)
    for begin in np.arange(MONTH_DAYS // 2, minutes[-1] // DAY_MINUTES, MONTH_DAYS) * DAY_MINUTES:
        is_on[(minutes >= begin) & (minutes < begin + 480)] = False
        after = minutes >= begin
        segment[after] += 1
        for sensor in rng.permutation(N_RELATED)[:2]:
            rows[after, sensor] += rng.normal(0, 0.5) * noise[sensor]
    return is_on, segment


def judge(run: Run) -> dict[str, float | str]:
    """What a detector that was fitted on the training says of the rest."""
    training = run.minutes < run.training_end
    detector = fit(run.rows[training], np.ones(training.sum(), bool), run.segment[training])
    rows, minutes, segment = run.rows[~training], run.minutes[~training], run.segment[~training]
    scores, _ = detector.score(rows, segment)
    scored = scored_rows(minutes * 60_000_000, segment, rows, scores)
    names = [f"machine\\s{k}" for k in range(rows.shape[1])]
    found = explain(detector, scored, scores.contribution, rate_us=run.step * 60_000_000, names=names)
    quiet = (minutes < run.mode[0]) | ((minutes >= run.mode[1] + AFTER_MINUTES) & (minutes < run.onset))
    months = quiet.sum() * run.step / DAY_MINUTES / MONTH_DAYS
    false = [each for each in found if quiet[each.event.rows[0]]]
    label = (run.onset * 60_000_000, run.failure * 60_000_000)
    metrics = json.loads(model_metrics([each.event for each in found], [label], names))
    mode = _first(found, *run.mode)
    failing = _first(found, run.onset, run.failure)
    return {
        "alarms a month": len(false) / months,
        "alarm hours a month": sum(each.event.end_us - each.event.start_us for each in false) / 3.6e9 / months,
        "mode found": float(mode is not None),
        "minutes to mode": float("nan") if mode is None else max(mode.event.first_us / 60e6 - run.mode[0], 0.0),
        "mode called": "-" if mode is None else mode.evidence["kind"],
        "failure found": float(metrics["labeled_event_metrics"]["num_identified"]),
        "warning days": metrics["labeled_event_metrics"]["total_warning_time_in_seconds"] / 86400,
        "failure called": "-" if failing is None else failing.evidence["kind"],
    }


def _first(found: Sequence[Explained], begin: int, end: int) -> Explained | None:
    """The first event that touches a stretch of minutes."""
    return next(
        (each for each in found if each.event.first_us / 60e6 < end and each.event.end_us / 60e6 >= begin), None
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=int, default=60, help="between two rows")
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--failure", choices=FAILURES, action="append")
    given = parser.parse_args()
    every = []
    for failure in given.failure or FAILURES:
        told = []
        for draw in range(given.draws):
            started = time.process_time()
            told.append(judge(run_of(failure, given.minutes, draw)))
            said = ", ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in told[-1].items())
            print(f"{failure} {draw}: {said} ({time.process_time() - started:.0f} CPU s)", flush=True)
        days = FAILURES[failure].days
        print(f"{failure} of {days} days: {_means(told)}", flush=True)
        every += told
    print(f"all: {_means(every)}")


def _means(told: list[dict[str, float | str]]) -> str:
    names = [name for name, value in told[0].items() if isinstance(value, float)]
    return ", ".join(f"{name} {np.nanmean([float(each[name]) for each in told]):.2f}" for name in names)


if __name__ == "__main__":
    main()
