"""OpenLookout beside other open-source detectors: same series, same machine, same figures; writes docs/benchmarks.md.

    BENCH_DATA=… python benchmarks/peers.py [--detector NAME]… [--seconds 90] [--each 4] [--cache FOLDER] [--write]

`BENCH_DATA` holds a folder of Parquet files for each data set; loading and figures are those of `evaluate.py` and
`metrics.py` in the folder `bench` beside it. Each peer gets an environment of its own in the cache folder, made by pip
on first use; each series a process of its own, with one thread and a limit of processor seconds. Results are kept in
the cache folder and go on where they stopped: `--detector OpenLookout --again` measures one anew; `--write` writes the
document.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
WORKER = HERE / "peer_worker.py"
TORCH = "torch==2.13.0"
# Detector -> (environment, what pip installs there); None: this one.
DETECTORS: dict[str, tuple[str, list[str]] | None] = {
    "OpenLookout": None,
    "pyod KNN": ("pyod", ["pyod", "tqdm", TORCH]),
    "pyod OCSVM": ("pyod", ["pyod", "tqdm", TORCH]),
    "pyod IForest": ("pyod", ["pyod", "tqdm", TORCH]),
    "pyod AutoEncoder": ("pyod", ["pyod", "tqdm", TORCH]),
    "energy-fault-detector": ("efd", ["energy-fault-detector"]),
    "Merlion VAE": ("merlion", ["salesforce-merlion", TORCH]),
    "TSB-AD CNN": ("tsbad", ["TSB-AD", TORCH]),
}
INSTALL_SECONDS, LOAD_SECONDS = 1800, 300
# A process may wait for a processor so many times longer than it has one.
WAITING_TIMES = 10
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS"), "1"
) | {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
}
SPEED = "\n## Speed, crashes, hostile input\n"  # Of docs/benchmarks.md: where what others measured begins.
FIGURES = ("cvus", "false_alarm_rows", "event_recall", "delay")


def python_of(detector: str, cache: Path) -> Path | str:
    """The interpreter that runs a detector, its environment made if it is not there; a text says why there is none."""
    wanted = DETECTORS[detector]
    if wanted is None:
        return Path(sys.executable)
    folder, packages = cache / wanted[0], wanted[1]
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
        try:
            done = subprocess.run(pip, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return f"pip was not done after {INSTALL_SECONDS} s"
        if done.returncode:
            return f"pip: {done.stderr.strip().splitlines()[-1][:200]}"
        (folder / "installed").write_text(" ".join(packages))
    return python


def measured(detector: str, python: Path, series: Path, bench: Any, seconds: int) -> dict[str, Any]:
    """Run a detector on a series in a process of its own; give its figures, the worst ones if it fails."""
    train, train_segment, test, test_segment, label = bench.load(series.parent.name, series)
    row: dict[str, Any] = {
        "detector": detector,
        "data": series.parent.name,
        "series": series.stem,
        "sensors": test.shape[1],
        "rows_trained": len(train),
        "rows": len(test),
        "seconds_max": seconds,
        "when": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "data.npz", Path(folder) / "out.npz"
        np.savez(
            data,
            train=train.to_numpy(float),
            train_segment=train_segment.astype(np.int64),
            test=test.to_numpy(float),
            test_segment=test_segment.astype(np.int64),
        )
        command = [str(python), str(WORKER), detector, str(data), str(out), str(seconds)]
        environment = os.environ | ONE_THREAD
        try:
            done = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                timeout=WAITING_TIMES * seconds + LOAD_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return row | bench.FAILED | {"error": f"not done after {seconds} s"}
        if not out.exists():
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1][:200]
            return row | bench.FAILED | {"error": f"the process ended with {done.returncode}: {said}"}
        with np.load(out) as file:
            told = {name: file[name] for name in file.files}
    scores, predicted = told.pop("scores", None), told.pop("predicted", None)
    row |= {name: value.item() for name, value in told.items()}
    if scores is None:
        return row | bench.FAILED
    judged = label >= 0
    low = np.nanmin(scores) if np.isfinite(scores).any() else 0.0
    scores = np.nan_to_num(scores, nan=low, posinf=1e30, neginf=-1e30)
    if len(scores) != len(label):
        return row | bench.FAILED | {"error": f"{len(scores)} scores for {len(label)} rows"}
    row["cvus"] = bench.calibrated_vus_pr(scores[judged], label[judged], series.parent.name not in bench.UNORDERED)
    return row if predicted is None else row | bench.at_threshold(predicted[judged], label[judged])


def run(arguments: argparse.Namespace, data: Path, bench: Any) -> None:
    results = arguments.cache / "results.jsonl"
    kept = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    if arguments.again:
        kept = [row for row in kept if row["detector"] not in arguments.detector]
        results.write_text("".join(json.dumps(row) + "\n" for row in kept))
    done = {(row["detector"], row["data"], row["series"]) for row in kept}
    folders = [folder for folder in sorted(data.iterdir()) if folder.is_dir()]
    every = [path for folder in folders for path in _some(sorted(folder.glob("*.parquet")), arguments.each)]
    for detector in arguments.detector:
        python = python_of(detector, arguments.cache)
        for series in every:
            if (detector, series.parent.name, series.stem) in done:
                continue
            if isinstance(python, str):
                row = {"detector": detector, "data": series.parent.name, "series": series.stem, **bench.FAILED}
                row |= {"error": python, "seconds_max": arguments.seconds, "when": f"{datetime.now(UTC):%Y-%m-%d}"}
            else:
                row = measured(detector, python, series, bench, arguments.seconds)
            with results.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)


def _some(paths: list[Path], n_max: int | None) -> list[Path]:
    """At most so many, evenly spread."""
    n = len(paths) if n_max is None else min(n_max, len(paths))
    return [paths[k] for k in np.linspace(0, len(paths) - 1, n).astype(int)]


def table(rows: list[list[str]]) -> str:
    head, *body = rows
    return "\n".join(["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body)])


def figure(value: float, digits: int = 3) -> str:
    return "–" if value is None or np.isnan(value) else f"{value:.{digits}f}"


def _comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the series that ours was run on, of the detectors that were run on all of them."""
    series = {name: set(zip(rows["data"], rows["series"], strict=True)) for name, rows in frame.groupby("detector")}
    ours = series["OpenLookout"]
    whole = [name for name, mine in series.items() if mine >= ours]
    among = [key in ours for key in zip(frame["data"], frame["series"], strict=True)]
    return frame[frame["detector"].isin(whole) & np.array(among)]


def document(frame: pd.DataFrame, datasets: list[str]) -> str:
    """The results as tables: means over the series of each data set, then over the sets."""
    summary = [
        [
            "detector",
            "cvus",
            "false-alarm rows",
            "events found",
            "delay",
            "fit CPU s",
            "score CPU s",
            "peak MB",
            "failed",
        ]
    ]
    by_set = [["detector", *datasets]]
    false_by_set = [["detector", *datasets]]
    failures, runs = [], []
    names = [name for name in DETECTORS if (frame.detector == name).any()]
    for name in names:
        mine = frame[frame.detector == name]
        sets = mine.groupby("data").mean(numeric_only=True).reindex(datasets)
        means = sets.mean()
        has_verdict = mine.loc[mine.error.isna(), "event_recall"].notna().any()
        said = [figure(means["cvus"]), *(figure(means[each]) if has_verdict else "none" for each in FIGURES[1:])]
        cost = [figure(mine[each].mean(), 2) for each in ("fit_s", "score_s")] + [figure(mine["peak_mb"].max(), 0)]
        summary.append([name, *said, *cost, f"{int(mine.error.notna().sum())} of {len(mine)}"])
        by_set.append([name, *(figure(value) for value in sets["cvus"])])
        if has_verdict:
            false_by_set.append([name, *(figure(value) for value in sets["false_alarm_rows"])])
        for error, some in mine[mine.error.notna()].groupby("error"):
            failures.append(f"* {name}: {error}: {', '.join(sorted(some['data'] + '/' + some['series']))}")
        versions = ", ".join(sorted(mine["version"].dropna().unique())) or "not installed"
        runs.append(
            f"* {name} {versions}: {mine.when.min()} to {mine.when.max()}, {mine.seconds_max.max():.0f} CPU s a series"
        )
    return TEXT.format(
        summary=table(summary),
        by_set=table(by_set),
        false_by_set=table(false_by_set),
        failures="\n".join(failures) or "None.",
        runs="\n".join(runs),
        not_run=", ".join(name for name in DETECTORS if name not in names) or "none",
        n_series=frame.groupby(["data", "series"]).ngroups,
    )


TEXT = """# Benchmarks

OpenLookout beside other open-source detectors on the same {n_series} series of seven data sets, on the same machine
(`python benchmarks/peers.py`; the document is written by `--write`). Losses are in it.

* One series, one process, one thread. Seconds are those of the processor, for fitting and for scoring a series,
  libraries already loaded, on a machine that did other work meanwhile; peak memory is the process', libraries included,
  of its largest series.
* Every detector has its defaults, and its own default threshold (pyod's contamination of 0.1, energy-fault-detector's
  95 % quantile, Merlion's post-processing; TSB-AD has none). pyod, Merlion and TSB-AD get readings standardised by
  training, with missing ones replaced by its mean; the others scale by themselves. None gets smoothing added.
* `cvus` is the calibrated volume under the precision-recall surface; 0.05 for a random score, 1 is best. Means over the
  series of a set, then over the sets. A detector that fails on a series or is not done in time counts as worst there:
  cvus 0, every normal row a false alarm, no event found. `delay` is the share of an event that passed before its first
  alarm.
* OpenLookout was developed with these series in view, the peers were not: see [detection.md](detection.md).

{summary}

cvus of each set:

{by_set}

Share of normal rows that alarm at the detector's own threshold:

{false_by_set}

Failed, or not done in time:

{failures}

What was run when, with what limit:

{runs}

Known to `benchmarks/peers.py`, but not run on all of these series yet, so not in the tables: {not_run}.
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--detector", action="append", choices=DETECTORS)
    parser.add_argument("--seconds", type=int, default=90)
    parser.add_argument("--each", type=int, help="at most so many series of each data set, evenly spread")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "openlookout" / "peers")
    parser.add_argument("--again", action="store_true", help="measure the detectors named anew")
    parser.add_argument("--write", action="store_true", help="only write docs/benchmarks.md from the results")
    arguments = parser.parse_args()
    arguments.detector = arguments.detector or list(DETECTORS)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    if arguments.write:
        frame = pd.read_json(arguments.cache / "results.jsonl", lines=True)
        for column in ("error", "version", "fit_s", "score_s", "peak_mb", *FIGURES):
            frame[column] = frame.get(column, np.nan)
        frame = _comparable(frame)
        path = HERE.parent / "docs" / "benchmarks.md"
        _, heading, others = path.read_text().partition(SPEED)  # Not from these results.
        path.write_text(document(frame, sorted(frame.data.unique())) + heading + others)
        return
    data = Path(os.environ["BENCH_DATA"]).resolve()
    sys.path.insert(0, str(data.parent / "bench"))
    run(arguments, data, importlib.import_module("evaluate"))


if __name__ == "__main__":
    main()
