"""What labelled failures of training are worth: later failures found, how early, and false rows, told of or not.

`python benchmarks/labels.py [--draws N]` prints a line a kind of fault. Six related sensors, thirteen small failures of
120 rows; a detector is fitted on the first half of the time, with the failures in it left out, and told of or not.
"""

import argparse

import numpy as np

from openlookout.detection.training import fit

N_ROWS, N_SENSORS, FAILURE_ROWS, EVERY_ROWS = 6000, 6, 120, 450
KINDS = ("step", "relation", "noise")


def plant(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Rows (N_ROWS, N_SENSORS), and the failures as [first, last)."""
    load = np.sin(np.arange(N_ROWS) / 40)
    rows = rng.normal(0, 0.5, (N_ROWS, N_SENSORS)) + load[:, None] * rng.normal(0, 1, (1, N_SENSORS))
    failures = [(first, first + FAILURE_ROWS) for first in range(400, N_ROWS - 150, EVERY_ROWS)]
    for first, last in failures:
        if kind == "step":
            rows[first:last, 2] += 1.1
        elif kind == "relation":
            rows[first:last, 2] -= 2 * load[first:last]
        else:
            rows[first:last, 2] += rng.normal(0, 0.6, FAILURE_ROWS)
    return rows, failures


def judge(kind: str, draw: int, *, told: bool) -> tuple[float, float, float]:
    """Shares of later failures found, of their time left at the first alarm, and of false rows."""
    rows, failures = plant(kind, np.random.default_rng([draw, KINDS.index(kind)]))
    half = len(failures) // 2
    cut = failures[half][0] - 50
    anomalous, quiet = np.zeros(N_ROWS, bool), np.arange(N_ROWS) >= cut
    for first, last in failures:
        anomalous[first:last] = True
        quiet[first : last + 20] = False  # An alarm ends some rows after its cause.
    segment = np.zeros(N_ROWS, np.int64)
    detector = fit(rows[:cut], ~anomalous[:cut], segment[:cut], anomalous[:cut] if told else None)
    alarm = np.r_[np.zeros(cut, bool), detector.score(rows[cut:], segment[cut:])[0].alarm]
    later = [alarm[first:last] for first, last in failures[half:]]
    left = [1 - each.argmax() / FAILURE_ROWS if each.any() else 0.0 for each in later]
    return float(np.mean([each.any() for each in later])), float(np.mean(left)), float(alarm[quiet].mean())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=6)
    given = parser.parse_args()
    for kind in KINDS:
        for told in (False, True):
            found, left, false = np.mean([judge(kind, draw, told=told) for draw in range(given.draws)], axis=0)
            name = "with labels" if told else "without"
            print(f"{kind:9} {name:12} found {found:.2f}, time left {left:.2f}, false rows {false:.4f}")


if __name__ == "__main__":
    main()
