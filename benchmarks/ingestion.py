"""Ingestion against Polars alone: how fast, and in how much memory.

    python benchmarks/ingestion.py [--case NAME] [--megabytes N] [--runs N]

Writes CSV files of one component into a scratch folder, reads them with `ingest` and with Polars' own streaming
`scan_csv -> parse -> sink_parquet` (no check, no statistics, no order, no duplicates), in turns and each in a process
of its own, and prints MB/s, processor seconds, the peak of resident memory and the ratio. Ends with 1 if a figure
misses its target: 0.7 of the speed of Polars, 500 MB of memory, 1 GB for thousands of columns, and no more memory for
a file three times as large.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from openlookout.timeseries.ingest import ingest
from openlookout.timeseries.sources import Source

START_US = 1_577_836_800_000_000
RATIO_MIN = 0.7
MEGABYTES_MAX = 500
# A file three times as large may take so much more at its peak, which no two runs have the same.
GROWTH_MAX = 1.2


@dataclass(frozen=True)
class Case:
    """Files to read. `order`: `sorted` (in the order of time), `reversed` (the files come last month first, and the
    rows of each are two stretches interleaved), `month` (a reading a second, so that months are large)."""

    megabytes: int
    n_sensors: int
    order: str
    n_files: int
    megabytes_max: int = MEGABYTES_MAX


CASES = {
    "narrow": Case(500, 30, "sorted", 12),
    "wide": Case(500, 2_900, "sorted", 12, 1_000),
    "reversed": Case(500, 30, "reversed", 12),
    "one-file": Case(500, 30, "month", 1),
    "one-file-of-three": Case(1_500, 30, "month", 1),
    "10000-files": Case(500, 30, "sorted", 10_000),
}


def write_files(folder: Path, case: Case) -> None:
    """Write the files, with about ten characters a reading."""
    n_sensors, order, n_files = case.n_sensors, case.order, case.n_files
    n_rows = int(case.megabytes * 1e6 / (20 + 9 * n_sensors))
    rng = np.random.default_rng(7)
    steps = np.arange(n_rows) * (1_000_000 if order == "month" else 60_000_000)
    per_file = n_rows // n_files + 1
    block = max(1, 4_000_000 // n_sensors)
    for number in range(n_files):
        rows = np.arange(number * per_file, min(n_rows, (number + 1) * per_file))
        if order == "reversed":
            rows = rows.reshape(-1, 2).T.ravel() if len(rows) % 2 == 0 else rows[::-1]
        place = number if order != "reversed" else n_files - number
        with (folder / f"{place:06}.csv").open("wb") as file:
            for start in range(0, len(rows), block):
                part = rows[start : start + block]
                times = pl.Series("Timestamp", START_US + steps[part]).cast(pl.Datetime("us"))
                values = rng.normal(50, 5, (len(part), n_sensors)).round(5)
                frame = pl.DataFrame(values, schema=[f"Sensor{j}" for j in range(n_sensors)])
                frame.insert_column(0, times.dt.strftime("%Y-%m-%d %H:%M:%S"))
                frame.write_csv(file, include_header=start == 0)


def ours(folder: Path, out: Path) -> None:
    sources = [
        Source(path.name, "pump", path.stat().st_size, lambda path=path: path.open("rb"))
        for path in sorted(folder.glob("*.csv"))
    ]
    ingest(sources, None, out / "parts", out / "scratch")


def polars_alone(folder: Path, out: Path) -> None:
    out.mkdir(exist_ok=True)
    pl.scan_csv(folder / "*.csv", try_parse_dates=True).sink_parquet(out / "all.parquet")


@dataclass(frozen=True)
class Measured:
    seconds: float
    processor_seconds: float
    megabytes: float


def measured(which: str, folder: Path, out: Path) -> Measured:
    """Run one of the two in a process of its own."""
    command = [sys.executable, __file__, "--run", which, str(folder), str(out)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Measured(**json.loads(answer))


def run(which: str, folder: Path, out: Path) -> None:
    start, processor_start = time.perf_counter(), time.process_time()
    (ours if which == "ours" else polars_alone)(folder, out)
    seconds, processor_seconds = time.perf_counter() - start, time.process_time() - processor_start
    # Not getrusage: its peak begins with that of the process that started this one.
    status = Path("/proc/self/status").read_text()
    megabytes = int(status.partition("VmHWM:")[2].split()[0]) / 1000
    print(json.dumps(vars(Measured(seconds, processor_seconds, megabytes))))


def compared(name: str, case: Case, n_runs: int) -> tuple[float, float]:
    """Print a case; give the median ratio of the speeds and the highest peak of ours."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "csv")
        folder.mkdir()
        write_files(folder, case)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        print(
            f"{name}: {size:.0f} MB of CSV in {case.n_files} files, {case.n_sensors} sensors, {case.order}", flush=True
        )
        runs = [
            {which: measured(which, folder, Path(scratch, which)) for which in ("ours", "polars")}
            for _ in range(n_runs)
        ]
    for which in ("ours", "polars"):
        of = [run[which] for run in runs]
        seconds = statistics.median(one.seconds for one in of)
        print(
            f"  {which:7} {size / seconds:6.0f} MB/s  {statistics.median(one.processor_seconds for one in of):6.1f} s "
            f"of processor  peak {max(one.megabytes for one in of):5.0f} MB"
        )
    ratio = statistics.median(run["polars"].seconds / run["ours"].seconds for run in runs)
    work = statistics.median(run["polars"].processor_seconds / run["ours"].processor_seconds for run in runs)
    peak = max(run["ours"].megabytes for run in runs)
    print(
        f"  ratio {ratio:.2f} (at least {RATIO_MIN}), of processor seconds {work:.2f}; peak {peak:.0f} MB (at most "
        f"{case.megabytes_max}); load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    return ratio, peak


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--case", choices=CASES, action="append", help="this one alone; may be given again")
    options.add_argument("--megabytes", type=int, help="of CSV, instead of the case's own")
    options.add_argument("--runs", type=int, default=3)
    given = options.parse_args()
    figures, is_met = {}, True
    for name in given.case or CASES:
        case = CASES[name]
        figures[name] = compared(
            name, case if given.megabytes is None else replace(case, megabytes=given.megabytes), given.runs
        )
        is_met &= figures[name][0] >= RATIO_MIN and figures[name][1] <= case.megabytes_max
    if {"one-file", "one-file-of-three"} <= set(figures):
        growth = figures["one-file-of-three"][1] / figures["one-file"][1]
        print(f"three times the file takes {growth:.2f} times the memory (at most {GROWTH_MAX})")
        is_met &= growth <= GROWTH_MAX
    print("every target is met" if is_met else "a target is missed")
    return int(not is_met)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        sys.exit(main())
