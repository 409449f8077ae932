"""A load generator: keeps some HTTP connections busy for some seconds, checks every answer, and tells the times.

Knows bytes: a request is a body that was signed before, an answer is right if it begins as expected. Run in a process
of its own, on a core of its own: what it costs is not the server's.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import uvloop

N_CONNECTIONS = 16
ANSWER_SECONDS_MAX = 60


@dataclass(frozen=True)
class Exchange:
    """The bytes of a request, and what is asked of the body of its answer."""

    request: bytes
    is_right: Callable[[bytes], bool]


@dataclass(frozen=True)
class Load:
    n: int
    seconds: float
    milliseconds: list[float]
    n_wrong: int
    bytes_mean: float

    @property
    def rate(self) -> float:
        return self.n / self.seconds

    def percentile(self, percent: float) -> float:
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    def __str__(self) -> str:
        median = statistics.median(self.milliseconds)
        return f"{self.rate:8.0f} /s   median {median:6.2f} ms   p99 {self.percentile(99):6.2f} ms"


class _Connection(asyncio.Protocol):
    """One request after the other; the next is sent when the answer to the one before is there."""

    def __init__(
        self, port: int, exchanges: Sequence[Exchange], start: int, until: float, done: asyncio.Future[None]
    ) -> None:
        self._port, self._exchanges, self._next, self._until, self._done = port, exchanges, start, until, done
        self._at = 0.0
        self._buffer = bytearray()
        self._needed = 0
        self.milliseconds: list[float] = []
        self.wrong: list[bytes] = []
        self.n_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        self._exchange = self._exchanges[self._next % len(self._exchanges)]
        self._next += 1
        self._buffer.clear()
        self._needed = 0
        self._at = self._at or time.perf_counter()
        self._transport.write(self._exchange.request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._needed:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._buffer[:end]).lower()
            self._body_at = end + 4
            self._is_ok = head.startswith(b"http/1.1 200")
            self._is_last = b"\r\nconnection: close" in head
            self._needed = self._body_at + int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(self._buffer) < self._needed:
            return
        now = time.perf_counter()
        self.milliseconds.append((now - self._at) * 1e3)
        self._at = 0.0
        body = bytes(self._buffer[self._body_at : self._needed])
        self.n_bytes += len(body)
        if not self._is_ok or not self._exchange.is_right(body):
            self.wrong.append(bytes(self._buffer[:2000]))
        if now < self._until and not self._is_last:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if time.perf_counter() < self._until:  # The server closes after each answer: a new connection is its price.
            self._next -= bool(self._at)
            self._again = asyncio.ensure_future(self.connect())
        elif not self._done.done():
            self._done.set_result(None)

    async def connect(self) -> None:
        while True:
            try:
                await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)
            except OSError:
                if time.perf_counter() > self._until:
                    self._done.set_result(None)
                    return
                await asyncio.sleep(0.01)
            else:
                return


async def _run(port: int, exchanges: Sequence[Exchange], seconds: float, n_connections: int) -> Load:
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    connections = []
    for number in range(n_connections):
        done: asyncio.Future[None] = loop.create_future()
        first = number * len(exchanges) // n_connections
        connection = _Connection(port, exchanges, first, started + seconds, done)
        await connection.connect()
        connections.append((connection, done))
    async with asyncio.timeout(seconds + ANSWER_SECONDS_MAX):
        await asyncio.gather(*(done for _, done in connections))
    took = time.perf_counter() - started
    times = [one for connection, _ in connections for one in connection.milliseconds]
    wrong = [one for connection, _ in connections for one in connection.wrong]
    for answer in wrong[:2]:
        print(f"wrong answer: {answer[:700]!r}")
    n_bytes = sum(connection.n_bytes for connection, _ in connections)
    return Load(len(times), took, times, len(wrong), n_bytes / max(1, len(times)))


def load(port: int, exchanges: Sequence[Exchange], seconds: float, n_connections: int = N_CONNECTIONS) -> Load:
    """Send the exchanges round and round for some seconds."""
    return uvloop.run(_run(port, exchanges, seconds, n_connections))
