"""Ingestion against Polars alone: how fast, and in how much memory.

    python benchmarks/ingestion.py [megabytes] [sensors] [order]

Writes CSV files of one component into a scratch folder, reads them with `ingest` and with Polars' own streaming
`scan_csv -> sink_parquet` (no check, no statistics, no order, no duplicates), each in a process of its own, and prints
MB/s, the peak of resident memory and the ratio. `order`: `sorted` (one file a month), `reversed` (the files come last
month first, one file holds two months interleaved), `month` (all rows in one month, in one file).
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from openlookout.timeseries.ingest import Source, ingest

START_US = 1_577_836_800_000_000


def write_files(folder: Path, megabytes: int, n_sensors: int, order: str) -> None:
    """Write about so many megabytes of CSV with ten characters a reading."""
    n_rows = int(megabytes * 1e6 / (20 + 9 * n_sensors))
    rng = np.random.default_rng(7)
    n_files = 1 if order == "month" else 12
    steps = np.arange(n_rows) * (1_000_000 if order == "month" else 60_000_000)
    per_file = n_rows // n_files + 1
    block = max(1, 4_000_000 // n_sensors)
    for number in range(n_files):
        rows = np.arange(number * per_file, min(n_rows, (number + 1) * per_file))
        if order == "reversed":
            rows = rows.reshape(-1, 2).T.ravel() if len(rows) % 2 == 0 else rows[::-1]
        place = number if order != "reversed" else n_files - number
        with (folder / f"{place:03}.csv").open("wb") as file:
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


def measured(which: str, folder: Path, out: Path) -> tuple[float, float]:
    """Run one of the two in a process of its own; give seconds and peak megabytes."""
    command = [sys.executable, __file__, "--run", which, str(folder), str(out)]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return answer["seconds"], answer["megabytes"]


def run(which: str, folder: Path, out: Path) -> None:
    start = time.perf_counter()
    (ours if which == "ours" else polars_alone)(folder, out)
    seconds = time.perf_counter() - start
    # Not getrusage: its peak begins with that of the process that started this one.
    status = Path("/proc/self/status").read_text()
    megabytes = int(status.partition("VmHWM:")[2].split()[0]) / 1000
    print(json.dumps({"seconds": seconds, "megabytes": megabytes}))


def main(megabytes: int = 500, n_sensors: int = 30, order: str = "sorted") -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "csv")
        folder.mkdir()
        write_files(folder, megabytes, n_sensors, order)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        print(f"{size:.0f} MB of CSV, {n_sensors} sensors, order: {order}")
        speeds = {}
        for which in ("ours", "polars"):
            seconds, peak = min(measured(which, folder, Path(scratch, which)) for _ in range(2))
            speeds[which] = size / seconds
            print(f"{which:7} {speeds[which]:6.0f} MB/s  peak {peak:5.0f} MB")
        print(f"ratio   {speeds['ours'] / speeds['polars']:6.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        numbers = [int(argument) for argument in sys.argv[1:3]]
        main(*numbers, *sys.argv[3:4])
