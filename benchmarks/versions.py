"""A million model versions for the benchmarks: what the rows are, and what any page of them must look like.

The expected answers are formed here from the formulas that made the rows, not read back: a twin of the listing.
"""

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from openlookout.api.instants import to_microseconds
from openlookout.operations.tokens import Tokens
from openlookout.store.database import Database
from openlookout.store.tables import dataset, model, model_version

ACCOUNT, REGION = "123456789012", "us-east-1"
START = datetime(2020, 1, 1, tzinfo=UTC)
STATUSES = ("SUCCESS", "SUCCESS", "SUCCESS", "FAILED", "CANCELED")
SOURCES = ("TRAINING", "RETRAINING", "RETRAINING", "IMPORT")
QUALITIES = ("QUALITY_THRESHOLD_MET", "CANNOT_DETERMINE_QUALITY", None)
PAGE_ROWS = 50
BATCH_ROWS = 50_000
CYCLE = len(STATUSES) * len(SOURCES)  # Status and source of a version repeat after so many.


@dataclass(frozen=True)
class Model:
    number: int
    n_versions: int

    @property
    def name(self) -> str:
        return f"pump-{self.number}"

    @property
    def id(self) -> str:
        return f"00000000-0000-4000-8000-{self.number:012}"


def models(rows: int) -> list[Model]:
    """One model has half of the versions, a hundred share the rest."""
    return [Model(0, rows // 2), *(Model(number, rows // 200) for number in range(1, 101))]


def created_at(version: int) -> datetime:
    return START + timedelta(minutes=version)


def fill(database: Database, rows: int) -> None:
    place = {"account": ACCOUNT, "region": REGION, "created_at": START, "updated_at": START}
    with database.writing() as connection:
        connection.execute(
            dataset.insert(), {"id": "d", "name": "d", "status": "ACTIVE", "schema_given": False, **place}
        )
        connection.execute(
            model.insert(),
            [{"id": m.id, "name": m.name, "dataset_id": "d", "status": "SUCCESS", **place} for m in models(rows)],
        )
    for m in models(rows):
        for first in range(1, m.n_versions + 1, BATCH_ROWS):
            with database.writing() as connection:
                _insert(database, connection, m, range(first, min(first + BATCH_ROWS, m.n_versions + 1)))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


def _insert(database: Database, connection: Any, m: Model, versions: range) -> None:
    """By the driver itself: SQLAlchemy takes minutes for what this does in seconds."""
    names = (
        "model_id, version, created_at, updated_at, status, source_type, quality, attempt, configuration, data_schema"
    )
    rows = [
        (
            *(m.id, v, to_microseconds(created_at(v)), to_microseconds(created_at(v))),
            *(STATUSES[v % len(STATUSES)], SOURCES[v % len(SOURCES)], QUALITIES[v % len(QUALITIES)], 1, "{}", "{}"),
        )
        for v in versions
    ]
    driver = connection.connection.driver_connection
    if database.is_sqlite:
        driver.executemany(f"INSERT INTO {model_version.name} ({names}) VALUES ({', '.join('?' * 10)})", rows)
        return
    with driver.cursor().copy(f"COPY {model_version.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


@dataclass(frozen=True)
class Question:
    """A request and its answer up to the token of the next page."""

    body: bytes
    answer: bytes
    n_rows: int
    has_more: bool

    def is_answered_by(self, body: bytes) -> bool:
        """Whether every byte is right, except that of a token only the place is known."""
        if not self.has_more:
            return body == self.answer + b"}"
        return body.startswith(self.answer + b',"NextToken":"') and body.endswith(b'"}')


def draw(rows: int, tokens: Tokens, rng: random.Random) -> Question:
    """A model, up to three filters and a page of PAGE_ROWS rows at random; a tenth of the pages are first ones."""
    while True:
        m = rng.choice(models(rows)[1:]) if rng.random() < 0.5 else models(rows)[0]
        low, high = sorted(rng.sample(range(1, m.n_versions + 1), 2))
        drawn = _draw(m, low, high, tokens, rng)
        if drawn.n_rows == PAGE_ROWS:
            return drawn


def _draw(m: Model, low: int, high: int, tokens: Tokens, rng: random.Random) -> Question:
    possible = {
        "Status": rng.choice(STATUSES),
        "SourceType": rng.choice(SOURCES),
        "CreatedAtStartTime": created_at(low),
        "CreatedAtEndTime": created_at(high),
        "MinModelVersion": low,
        "MaxModelVersion": high,
    }
    given = {name: possible[name] for name in rng.sample(sorted(possible), rng.randrange(4))}
    after = 0 if rng.random() < 0.1 else rng.randint(low, high)
    return question(m, given, after, tokens)


def question(m: Model, given: dict[str, Any], after: int, tokens: Tokens) -> Question:
    """Give what to ask for the page after a version, and the answer."""
    body: dict[str, Any] = {
        name: value.timestamp() if isinstance(value, datetime) else value for name, value in given.items()
    }
    body |= {"ModelName": m.name, "MaxResults": PAGE_ROWS}
    if after:
        sealed = {
            name: to_microseconds(value) if isinstance(value, datetime) else value for name, value in given.items()
        }
        body["NextToken"] = tokens.seal(
            [after], [ACCOUNT, REGION, "ListModelVersions", {"ModelName": m.name, **sealed}]
        )
    found = matching(m, given, after)
    answer = ",".join(summary(m, version) for version in found[:PAGE_ROWS])
    return Question(
        json.dumps(body).encode(),
        b'{"ModelVersionSummaries":[' + answer.encode() + b"]",
        min(len(found), PAGE_ROWS),
        len(found) > PAGE_ROWS,
    )


def matching(m: Model, given: dict[str, Any], after: int) -> list[int]:
    """The first versions, at most one more than a page has, that meet every filter."""
    first = max(after + 1, given.get("MinModelVersion", 1))
    last = min(m.n_versions, given.get("MaxModelVersion", m.n_versions))
    found = []
    if "CreatedAtStartTime" in given:
        first = max(first, (given["CreatedAtStartTime"] - START) // timedelta(minutes=1) + 1)
    for version in range(first, last + 1):
        if "CreatedAtEndTime" in given and created_at(version) >= given["CreatedAtEndTime"]:
            break
        if given.get("Status", STATUSES[version % len(STATUSES)]) != STATUSES[version % len(STATUSES)]:
            continue
        if given.get("SourceType", SOURCES[version % len(SOURCES)]) != SOURCES[version % len(SOURCES)]:
            continue
        found.append(version)
        if len(found) > PAGE_ROWS:
            break
    return found


def summary(m: Model, version: int) -> str:
    arn = f"arn:aws:lookoutequipment:{REGION}:{ACCOUNT}:model/{m.name}/{m.id}"
    quality = QUALITIES[version % len(QUALITIES)]
    shown = f',"ModelQuality":"{quality}"' if quality else ""
    return (
        f'{{"ModelName":"{m.name}","ModelArn":"{arn}","ModelVersion":{version},'
        f'"ModelVersionArn":"{arn}/model-version/{version}","CreatedAt":{created_at(version).timestamp()},'
        f'"Status":"{STATUSES[version % len(STATUSES)]}","SourceType":"{SOURCES[version % len(SOURCES)]}"{shown}}}'
    )
