"""ListModelVersions on a million versions: what the last page costs against the first, for every filter and pair.

    python benchmarks/list_model_versions.py [rows] [repeats]

Pages are asked for in turn, first and last alternating, and medians compared: a ratio within one run says more than
microseconds on a machine that others use too. Prints a table; ends with 1 if a ratio is over the limit.
"""

import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from openlookout.api.caller import Caller
from openlookout.clock import SystemClock
from openlookout.jobs.engine import JobQueue, migrate
from openlookout.operations.dispatch import dispatcher
from openlookout.operations.operation import Ports
from openlookout.operations.tokens import Tokens
from openlookout.store.database import Database
from openlookout.store.tables import dataset, model, model_version

ACCOUNT, REGION, NAME = "123456789012", "us-east-1", "pump"
START = datetime(2020, 1, 1, tzinfo=UTC)
STATUSES = ("SUCCESS", "SUCCESS", "SUCCESS", "FAILED", "CANCELED")
SOURCES = ("TRAINING", "RETRAINING", "RETRAINING", "IMPORT")
RATIO_MAX = 1.2
PAGE_ROWS = 50

Ask = Callable[[dict[str, Any]], dict[str, Any]]


def fill(database: Database, rows: int) -> None:
    place = {"account": ACCOUNT, "region": REGION, "created_at": START, "updated_at": START}
    with database.writing() as connection:
        connection.execute(
            dataset.insert(), {"id": "d", "name": "d", "status": "ACTIVE", "schema_given": False, **place}
        )
        connection.execute(model.insert(), {"id": "m", "name": NAME, "dataset_id": "d", "status": "SUCCESS", **place})
    for first in range(0, rows, 50_000):
        batch = [
            {
                "model_id": "m",
                "version": number + 1,
                "created_at": START + timedelta(minutes=number),
                "updated_at": START,
                "status": STATUSES[number % len(STATUSES)],
                "source_type": SOURCES[number % len(SOURCES)],
                "quality": "QUALITY_THRESHOLD_MET",
                "attempt": 1,
                "configuration": {},
                "data_schema": "{}",
            }
            for number in range(first, min(first + 50_000, rows))
        ]
        with database.writing() as connection:
            connection.execute(model_version.insert(), batch)


def cases(rows: int) -> dict[str, dict[str, Any]]:
    """Each filter alone and each pair; the bounds leave most of the rows."""
    single = {
        "Status": "SUCCESS",
        "SourceType": "RETRAINING",
        "CreatedAtStartTime": START + timedelta(minutes=rows // 10),
        "CreatedAtEndTime": START + timedelta(minutes=rows * 9 // 10),
        "MinModelVersion": rows // 10,
        "MaxModelVersion": rows * 9 // 10,
    }
    alone = {name: {name: value} for name, value in single.items()}
    pairs = {f"{a} + {b}": {a: single[a], b: single[b]} for a, b in itertools.combinations(single, 2)}
    return {"no filter": {}, **alone, **pairs}


def last_page_token(ask: Ask, database: Database, given: dict[str, Any]) -> str:
    """The token of the last page: found by halving over versions, instead of following a million rows."""
    low, high = 1, 10**9
    request = {"ModelName": NAME, "MaxResults": PAGE_ROWS, **given}
    last = 0
    while low <= high:
        middle = (low + high) // 2
        more = {**request, "MinModelVersion": max(middle, given.get("MinModelVersion", 1)), "MaxResults": 1}
        if ask(more)["ModelVersionSummaries"]:
            last, low = middle, middle + 1
        else:
            high = middle - 1
    # A token names the position after which to go on: ask a page that ends some rows before the last one.
    span = 2 * PAGE_ROWS
    while True:
        floor = max(last - span, given.get("MinModelVersion", 1))
        page = ask({**request, "MinModelVersion": floor, "MaxResults": 500})["ModelVersionSummaries"]
        if len(page) > PAGE_ROWS or floor <= 1:
            break
        span *= 2
    position = page[-PAGE_ROWS - 1]["ModelVersion"]
    return Tokens.of(database).seal([position], scope_of(given))


def plain(request: dict[str, Any]) -> dict[str, Any]:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return {
        name: (value - epoch) // timedelta(microseconds=1) if isinstance(value, datetime) else value
        for name, value in request.items()
    }


def seconds(ask: Ask, request: dict[str, Any]) -> float:
    started = time.perf_counter()
    ask(request)
    return time.perf_counter() - started


def main() -> int:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'bench.db'}")
        database.migrate()
        migrate(database)
        fill(database, rows)
        ports = Ports(database, JobQueue(database), SystemClock(), Tokens.of(database))
        dispatch, caller = dispatcher(ports), Caller(ACCOUNT, REGION, "benchmark")

        def ask(request: dict[str, Any]) -> dict[str, Any]:
            return dict(dispatch("ListModelVersions", caller, request) or {})

        print(f"{rows} versions, pages of {PAGE_ROWS}, medians of {repeats}")
        print(f"{'filter':42} {'first ms':>9} {'last ms':>9} {'ratio':>6}")
        deep = {"no filter, page 10,000": ({}, Tokens.of(database).seal([min(500_000, rows - 60)], scope_of({})))}
        listed = {name: (given, last_page_token(ask, database, given)) for name, given in cases(rows).items()}
        for name, (given, token) in {**deep, **listed}.items():
            first = {"ModelName": NAME, "MaxResults": PAGE_ROWS, **given}
            last = {**first, "NextToken": token}
            assert len(ask(last)["ModelVersionSummaries"]) == PAGE_ROWS, name
            times = [(seconds(ask, first), seconds(ask, last)) for _ in range(repeats)]
            a, b = (statistics.median(column) for column in zip(*times, strict=True))
            worst = max(worst, b / a)
            print(f"{name:42} {a * 1e3:9.3f} {b * 1e3:9.3f} {b / a:6.2f}")
        database.close()
    print(f"worst ratio {worst:.2f}, limit {RATIO_MAX}")
    return int(worst > RATIO_MAX)


def scope_of(given: dict[str, Any]) -> list[Any]:
    return [ACCOUNT, REGION, "ListModelVersions", plain({"ModelName": NAME, **given})]


if __name__ == "__main__":
    sys.exit(main())
