"""How soon a person sees the page of a model that was evaluated on a year of minutes, and how soon a zoom into it.

    python benchmarks/console_paint.py [--data FOLDER] [--rounds 5]

Makes a plant of 30 sensors at one reading a minute, serves it with `openlookout serve`, trains a model on the first 30
days and evaluates it on the year after (525,600 rows), and another on 1,000,000 rows. Then looks at both in Chromium:

* cold: a service that has just started, a browser that knows nothing. warm: the page once more.
* painted: when the page first shows something; drawn: when its chart of the score stands in it. From the click on.
* zoom: a stretch dragged over the chart, from all rows to days to hours to minutes and back to all; from the release of
  the mouse until the finer figure is drawn.

Prints medians with the slowest; exits with 1 where a median misses its target. `--data`: keeps the plant in a folder,
and takes the one that is there.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import polars as pl
from playwright.sync_api import Browser, Page, sync_playwright

N_SENSORS, TRAINED_ROWS = 30, 30 * 24 * 60
EVALUATED = {"year": 525_600, "million": 1_000_000}
START = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PAINTED_MS_MAX, DRAWN_MS_MAX, ZOOMED_MS_MAX = 1000, 1000, 500
DRAGGED = (0.48, 0.52)  # Of the chart's width: each drag looks 25 times closer.
ZOOMS = ("days", "hours", "minutes")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
TRAINING_SECONDS_MAX = 900
# Two frames later what was drawn is on the screen.
WATCH = """
  window.drawnAt = [];
  new MutationObserver((changes) => {
    for (const one of changes) if (one.target.id === "scores") requestAnimationFrame(() => requestAnimationFrame(
      () => window.drawnAt.push(performance.now())));
  }).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-shown"] });
  const released = () => { window.releasedAt = performance.now(); };
  for (const name of ["mouseup", "click"]) addEventListener(name, released, true);
"""


@dataclass
class Times:
    """Milliseconds of one measure, and what they must not be above in the median."""

    name: str
    target: float
    milliseconds: list[float] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return statistics.median(self.milliseconds) <= self.target

    def __str__(self) -> str:
        median, slowest = statistics.median(self.milliseconds), max(self.milliseconds)
        verdict = "ok" if self.holds else "MISSED"
        return f"{self.name:<44} {median:7.0f} ms  (slowest {slowest:.0f})  target {self.target:.0f}: {verdict}"


def write_plant(folder: Path) -> None:
    """CSV files of sensors that follow the day, the season and one another; some faults come and go."""
    n_rows = TRAINED_ROWS + max(EVALUATED.values())
    rng = np.random.default_rng(3)
    minutes = np.arange(n_rows)
    day, year = 2 * np.pi * minutes / 1440, 2 * np.pi * minutes / 525_600
    causes = np.stack([np.sin(day), np.cos(day / 7), np.sin(year), rng.normal(0, 0.2, n_rows)], axis=1)
    folder.mkdir(parents=True)
    mixed = causes @ rng.normal(0, 2, (4, N_SENSORS))
    rows = 50 + mixed + rng.normal(0, 0.3, (n_rows, N_SENSORS))
    for begin in rng.integers(TRAINED_ROWS, n_rows - 3000, 40):
        rows[begin : begin + rng.integers(60, 3000), rng.integers(0, N_SENSORS, 3)] += 4
    names = [f"sensor_{k:02}" for k in range(N_SENSORS)]
    times = pl.Series("time", minutes).cast(pl.Int64) * 60_000_000 + int(START.timestamp() * 1e6)
    frame = pl.DataFrame(rows.round(3), schema=names).insert_column(
        0, times.cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S")
    )
    for number, first in enumerate(range(0, n_rows, 100_000)):
        frame[first : first + 100_000].write_csv(folder / f"{number:03}.csv")


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """The service as everybody runs it; gives its address."""
    command = [sys.executable, "-m", "openlookout.cli", "serve", "--data", str(data), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        found = (re.search(r"AWS_ENDPOINT_URL_LOOKOUTEQUIPMENT=(http://\S+)", line) for line in process.stdout)
        try:
            yield next(one[1] for one in found if one)
        finally:
            process.terminate()
            process.communicate(timeout=60)


def build(data: Path) -> None:
    """Readings, dataset, both models."""
    write_plant(data / "buckets" / "plant" / "readings" / "unit")
    with serving(data) as url:
        client = boto3.client(
            "lookoutequipment",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
        )
        role = "arn:aws:iam::123456789012:role/plant"
        client.create_dataset(DatasetName="plant")
        place = {"Bucket": "plant", "Prefix": "readings/", "KeyPattern": "{prefix}/{component_name}/*"}
        job = client.start_data_ingestion_job(
            DatasetName="plant", IngestionInputConfiguration={"S3InputConfiguration": place}, RoleArn=role
        )
        ended(lambda: client.describe_data_ingestion_job(JobId=job["JobId"]))
        trained_until = START + TRAINED_ROWS * MINUTE
        for name, n_rows in EVALUATED.items():
            began = time.monotonic()
            client.create_model(
                ModelName=name,
                DatasetName="plant",
                RoleArn=role,
                TrainingDataStartTime=START,
                TrainingDataEndTime=trained_until,
                EvaluationDataStartTime=trained_until + MINUTE,
                EvaluationDataEndTime=trained_until + n_rows * MINUTE,
                DataPreProcessingConfiguration={"TargetSamplingRate": "PT1M"},
            )
            ended(lambda name=name: client.describe_model(ModelName=name))
            print(f"trained and evaluated '{name}' on {n_rows:,} rows in {time.monotonic() - began:.0f} s", flush=True)
    (data / "built").touch()


def ended(look: Any) -> None:
    deadline = time.monotonic() + TRAINING_SECONDS_MAX
    while (answer := look())["Status"] == "IN_PROGRESS":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert answer["Status"] == "SUCCESS", answer


def seen(page: Page, url: str) -> tuple[float, float]:
    """Open a page; give the milliseconds until it shows something, and until its chart is drawn."""
    page.goto(url)
    drawn = _after(page, 0)
    # The browser reports the paint some moments later, and where it is busy after the chart was drawn.
    _wait(page, "performance.getEntriesByName('first-contentful-paint').length")
    return page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"), drawn


def zoomed(page: Page) -> float:
    """Drag over the chart; give the milliseconds until it is drawn anew."""
    box = page.locator("#scores .nsewdrag").first.bounding_box()
    assert box
    middle, n_before = box["y"] + box["height"] / 2, page.evaluate("drawnAt.length")
    page.mouse.move(box["x"] + box["width"] * DRAGGED[0], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * DRAGGED[1], middle, steps=4)
    page.mouse.up()
    return _after(page, n_before) - float(page.evaluate("releasedAt"))


def _after(page: Page, n_before: int) -> float:
    """When the chart was drawn once more, in the page's own time."""
    _wait(page, f"drawnAt.length > {n_before}")
    return float(page.evaluate(f"drawnAt[{n_before}]"))


def _wait(page: Page, condition: str) -> None:
    deadline = time.monotonic() + 60
    while not page.evaluate(condition):  # The page's policy forbids what wait_for_function does.
        assert time.monotonic() < deadline, f"{page.url}: not {condition}"
        page.wait_for_timeout(20)


def measure(data: Path, browser: Browser, n_rounds: int) -> list[Times]:
    """Look at both models, each round with a service that has just started and a browser that knows nothing."""
    found: dict[str, Times] = {}

    def add(name: str, target: float, milliseconds: float) -> None:
        found.setdefault(name, Times(name, target)).milliseconds.append(milliseconds)

    for _ in range(n_rounds):
        for name, n_rows in EVALUATED.items():
            with serving(data) as url:
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                page.add_init_script(WATCH)
                for state in ("cold", "warm"):
                    painted, drawn = seen(page, f"{url}/models/{name}")
                    add(f"{n_rows:,} rows, {state}: painted", PAINTED_MS_MAX, painted)
                    add(f"{n_rows:,} rows, {state}: drawn", DRAWN_MS_MAX, drawn)
                for step in ZOOMS:
                    add(f"{n_rows:,} rows: zoom to {step}", ZOOMED_MS_MAX, zoomed(page))
                n_before = page.evaluate("drawnAt.length")
                page.locator("#scores").get_by_role("button", name="All", exact=True).click()
                back = _after(page, n_before) - float(page.evaluate("releasedAt"))
                add(f"{n_rows:,} rows: back to all", ZOOMED_MS_MAX, back)
                page.close()
    return list(found.values())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        data = given.data or Path(scratch)
        if not (data / "built").exists():
            build(data)
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        found = measure(data, browser, given.rounds)
        browser.close()
    for one in found:
        print(one)
    sys.exit(0 if all(one.holds for one in found) else 1)


if __name__ == "__main__":
    main()
