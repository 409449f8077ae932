"""Fuzzed requests: drawn from the definition by hypothesis, then bent by a seeded hand; and the judge of the answers.

A request goes through the whole of the HTTP application in this process, without a socket: its headers, its body, the
signature if there are keys, the operation on a real database. The short form runs in the suite, the long one as
`python benchmarks/fuzz_requests.py`.
"""

import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from openlookout.api.caller import AccessKey
from openlookout.clock import ManualClock
from openlookout.jobs import engine
from openlookout.operations.changes import refusals
from openlookout.operations.dispatch import dispatcher
from openlookout.operations.operation import Ports
from openlookout.operations.tokens import Tokens
from openlookout.store.audit import verify_database
from openlookout.store.database import Database
from openlookout.store.keys import KeyStore, create_key
from openlookout.store.tables import dataset, label_group, model
from openlookout.wire.in_process import post
from openlookout.wire.server import Server, create_app
from operations.rows import add_dataset, add_model, scheduler_request, unique
from served import ACCOUNT, REGION, Api
from wire.requests_of import OPERATIONS, input_shape, valid, wild

TARGET = "AWSLookoutEquipmentFrontendService."
START = datetime(2026, 1, 1, tzinfo=UTC)
ROUND_REQUESTS = 50_000  # Then a new database: it is the requests that are many, not the rows.
SIGNED_SHARE = 0.9

Asked = tuple[list[tuple[bytes, bytes]], bytes]

TEXTS = (
    "", " ", "\0", "a\0b", "\ud800", "\U0010ffff", "é" * 300, "a" * 200, "a" * 201, "a" * 5000, "../../../etc/passwd", "..",
    "/", "//", "a//b", "%2e%2e%2f", "C:\\con", "\\\\host\\share", "'; DROP TABLE model; --", "{{7*7}}", "${jndi:ldap://x}",
    "*", "%", "_", "-1", "1e999", "NaN", "null", "[]", "{}", "\r\nX-Injected: 1", "<script>alert(1)</script>", "PT5M",
    "P1M", "P" + "1" * 300 + "M", "arn:aws:lookoutequipment:us-east-1:123456789012:dataset/x/y", "arn:" + ":" * 1000,
    "arn:aws:iam::123456789012:role/x", "s3://bucket/", "component\\sensor < 1", "a\\b > " + "9" * 400, "1970-01-01",
    '{"Components": []}', "{" * 70, '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}', "A" * 20_000,
)  # fmt: skip
NUMBERS = (
    0,
    -1,
    1,
    2**31,
    2**53,
    2**63 - 1,
    2**63,
    -(2**63),
    10**30,
    10**300,
    0.5,
    -0.0,
    1e308,
    1e-308,
    253402300800,
    1e15,
)
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], {"a": {"b": []}}, {"": ""}, [{}] * 40)
RAW = (
    b"", b"{", b"[]", b"null", b'""', b"\xff\xfe", b"\0", b"{}{}", b'{"a":1,"a":2}', b"[" * 5000, b'{"a":' * 100,
    b'{"MaxResults":' + b"9" * 5000 + b"}", b'{"MaxResults":1e' + b"9" * 300 + b"}", b'{"MaxResults":NaN}', b" " * 10_000,
    b'{"x":"' + b"\\u0000" * 1000 + b'"}', b'{"x":"\\ud800"}', b"\xef\xbb\xbf{}", b'{"x":"' + b"a" * 100_000 + b'"}',
)  # fmt: skip


@dataclass
class Place:
    """The application on a database, and what is there to be named in requests."""

    application: Any
    database: Database
    known: dict[str, list[Any]]
    key: AccessKey | None


@dataclass
class Report:
    """What fuzzing came to. `faults`: one sentence each; none is expected."""

    n_requests: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    operations_ok: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    slowest: str = ""
    faults: list[str] = field(default_factory=list)


def drawn(n_each: int, number: int) -> list[tuple[str, dict[str, Any]]]:
    """Requests of every operation that hypothesis draws: valid ones, and wild ones of the right types."""
    found: list[tuple[str, dict[str, Any]]] = []

    def draw(operation: str, strategy: Callable[[str], st.SearchStrategy[Any]], n: int) -> None:
        @seed(number)
        @settings(
            max_examples=n,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(request=strategy(input_shape(operation)))
        def keep(request: dict[str, Any]) -> None:
            found.append((operation, request))

        keep()

    for operation in OPERATIONS:
        draw(operation, valid, n_each)
        draw(operation, wild, max(2, n_each // 4))
    return found


@contextmanager
def place(url: str, *, with_key: bool) -> Iterator[Place]:
    """The API on a new database, with one of everything in it."""
    database = Database(url)
    database.migrate()
    engine.migrate(database)
    queue = engine.JobQueue(database)
    clock = ManualClock(START)
    ports = Ports(database, queue, clock, Tokens.of(database))

    def served() -> Any:
        server = Server(
            dispatch=dispatcher(ports),
            refused=refusals(ports),
            keys=KeyStore(database),
            account=ACCOUNT,
            region=REGION,
            health=lambda: {"database": "ok"},
            version="0",
            hosts=frozenset({"localhost"}),
        )
        return create_app(server)

    known = _filled(served(), database)
    key = create_key(database, ACCOUNT, None, START) if with_key else None
    try:
        yield Place(served(), database, known, key)  # Anew: a store of keys looks for new ones every few seconds only.
    finally:
        queue.close()
        database.close()


def _filled(application: Any, database: Database) -> dict[str, list[Any]]:
    api = Api(0, database, ManualClock(START), None, lambda **_: None)
    data, group, scheduler = add_dataset(api), unique("g"), unique("s")
    name, other = add_model(api, data), add_model(api, data, ("SUCCESS", "FAILED"))
    asked = [
        ("CreateLabelGroup", {"LabelGroupName": group, "FaultCodes": ["a"], "ClientToken": "t"}),
        ("CreateInferenceScheduler", {**scheduler_request(other, scheduler), "ClientToken": "t"}),
        (
            "CreateRetrainingScheduler",
            {"ModelName": other, "RetrainingFrequency": "P1M", "LookbackWindow": "P180D", "ClientToken": "t"},
        ),
    ]
    for operation, request in asked:
        status, _, content = asyncio.run(post(application, headers_of(operation), json.dumps(request).encode()))
        assert status == 200, content
    with database.reading() as connection:
        of = connection.execute(dataset.select()).first()
        trained = connection.execute(model.select().where(model.c.name == name)).one()
        labels = connection.execute(label_group.select()).first()
    assert of is not None
    assert labels is not None
    prefix = f"arn:aws:lookoutequipment:{REGION}:{ACCOUNT}:"
    arns = [
        f"{prefix}dataset/{of.name}/{of.id}",
        f"{prefix}model/{trained.name}/{trained.id}",
        f"{prefix}model/{trained.name}/{trained.id}/model-version/1",
        f"{prefix}label-group/{labels.name}/{labels.id}",
    ]
    return {
        "DatasetName": [data],
        "ModelName": [name, other],
        "LabelGroupName": [group],
        "InferenceSchedulerName": [scheduler],
        "SourceDatasetArn": [arns[0]],
        "SourceModelVersionArn": [arns[2]],
        "ResourceArn": arns,
        "ModelVersion": [1, 2],
        "FaultCode": ["a"],
        "ClientToken": ["t", "u"],
    }


def headers_of(operation: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"host", b"localhost"),
        (b"content-type", b"application/x-amz-json-1.0"),
        (b"x-amz-target", (TARGET + operation).encode()),
    ]


def bent(hand: random.Random, base: list[tuple[str, dict[str, Any]]], there: Place) -> tuple[str, Asked]:
    """Give a request that comes of a drawn one, and its operation."""
    operation, request = hand.choice(base)
    request = _copied(request)
    for member in list(request) if hand.random() < 0.7 else ():
        if member in there.known and hand.random() < 0.8:
            request[member] = hand.choice(there.known[member])
    for _ in range(hand.choice((0, 0, 0, 1, 1, 2, 4))):
        _bend_value(hand, request, base)
    body = json.dumps(request).encode()
    if hand.random() < 0.15:
        body = _bend_bytes(hand, body)
    headers = headers_of(operation)
    if there.key is not None and hand.random() < SIGNED_SHARE:
        headers = _signed(there.key, headers, body)
    if hand.random() < 0.08:
        headers = _bend_headers(hand, headers)
    return operation, (headers, body)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_copied(each) for each in value]
    return value.timestamp() if isinstance(value, datetime) else value


def _bend_value(hand: random.Random, request: dict[str, Any], base: list[tuple[str, dict[str, Any]]]) -> None:
    """Change one value somewhere in the tree, or take a member away, or put one in."""
    at: Any = request
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            if isinstance(at, dict):
                at[hand.choice(("", "Unknown", "MaxResults", "NextToken", "Tags"))] = _hostile(hand)
            return
        key = hand.choice(keys)
        if isinstance(at[key], dict | list) and hand.random() < 0.7:
            at = at[key]
            continue
        match hand.randrange(5):
            case 0 if isinstance(at, dict):
                del at[key]
            case 1 if isinstance(at, dict):
                other = _copied(hand.choice(base)[1])
                at.update(other if hand.random() < 0.5 else {"NextToken": _hostile(hand)})
            case _:
                at[key] = _hostile(hand)
        return


def _hostile(hand: random.Random) -> Any:
    return _copied(hand.choice(hand.choice((TEXTS, TEXTS, NUMBERS, OTHERS))))


def _bend_bytes(hand: random.Random, body: bytes) -> bytes:
    at = hand.randrange(len(body) + 1)
    match hand.randrange(5):
        case 0:
            return hand.choice(RAW)
        case 1:
            return body[:at]
        case 2:
            return body[:at] + hand.randbytes(hand.randrange(1, 8)) + body[at:]
        case 3:
            return body[:at] + hand.choice(RAW) + body[at:]
    changed = bytearray(body or b"{}")
    changed[hand.randrange(len(changed))] ^= 1 << hand.randrange(8)
    return bytes(changed)


def _bend_headers(hand: random.Random, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    name, value = hand.choice(headers)
    others = [pair for pair in headers if pair[0] != name]
    match hand.randrange(4):
        case 0:
            return others
        case 1:
            return [*headers, (name, value)]
        case 2:
            return [*others, (name, hand.choice((b"", b"\xff", value[:-1], value + b"x", b"a" * 5000, b"%s")))]
    odd = (b"authorization", b"origin", b"x-amz-date", b"x-amz-content-sha256", b"traceparent", b"content-encoding")
    return [
        *headers,
        (hand.choice(odd), hand.choice((b"", b"AWS4-HMAC-SHA256 Credential=a", b"gzip", b"0" * 64, b"\xfe"))),
    ]


def _signed(key: AccessKey, headers: list[tuple[bytes, bytes]], body: bytes) -> list[tuple[bytes, bytes]]:
    given = {name.decode(): value.decode("latin-1") for name, value in headers}
    request = AWSRequest("POST", "http://localhost/", headers=given, data=body)
    SigV4Auth(Credentials(key.id, key.secret), "lookoutequipment", REGION).add_auth(request)
    return [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()]


def fault(status: int, headers: dict[str, str], content: bytes) -> str | None:
    """What is wrong with an answer; None when it is one that any request may get."""
    if status >= 500:
        return f"status {status}: {content[:300]!r}"
    if "x-amzn-requestid" not in headers:
        return "an answer without a request id"
    if len(content) > 8 * 2**20:
        return f"an answer of {len(content)} bytes"
    if status == 200:
        return None if not content or isinstance(json.loads(content), dict) else "an answer that is no JSON object"
    body = json.loads(content)
    if body["__type"] != headers.get("x-amzn-errortype") or not body["message"]:
        return f"an error that does not say what it is: {content[:300]!r}"
    return None


def fuzz(
    n_requests: int, number: int, *, n_each: int = 20, watch: Callable[[Report], None] | None = None,
    round_requests: int = ROUND_REQUESTS,
) -> Report:  # fmt: skip
    """Send so many requests, as the seed says; `watch` is shown the report every thousand of them."""
    base, hand, report = drawn(n_each, number), random.Random(number), Report()
    while report.n_requests < n_requests:
        n_round = min(round_requests, n_requests - report.n_requests)
        # Where there is a folder in memory, no disk is waited for: it is not the disk that is fuzzed.
        folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        with folder as path, place(f"sqlite:///{path}/fuzz.db", with_key=hand.random() < 0.2) as there:
            asyncio.run(_round(there, n_round, base, hand, report, watch))
            verify_database(there.database)
    return report


async def _round(
    there: Place,
    n_requests: int,
    base: list[tuple[str, dict[str, Any]]],
    hand: random.Random,
    report: Report,
    watch: Callable[[Report], None] | None,
) -> None:
    for _ in range(n_requests):
        operation, (headers, body) = bent(hand, base, there)
        started = time.perf_counter()
        status, told, content = await post(there.application, headers, body)
        seconds = time.perf_counter() - started
        report.n_requests += 1
        report.outcomes[told.get("x-amzn-errortype", "ok")] += 1
        if status == 200:
            report.operations_ok[operation] += 1
        if seconds > report.slowest_seconds:
            report.slowest_seconds, report.slowest = seconds, f"{operation} {body[:200]!r}"
        if (found := fault(status, told, content)) is not None:
            report.faults.append(f"request {report.n_requests} of this seed, {operation}: {found} for {body[:2000]!r}")
        if watch is not None and report.n_requests % 1000 == 0:
            watch(report)
