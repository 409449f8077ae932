"""The service inside a program: a boto3 client without a socket; the API in this process, the engine in a child."""

import asyncio
import atexit
import contextlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, TypeVar

from botocore.awsrequest import AWSResponse

from openlookout.api import client_model
from openlookout.app.api import embedded_app
from openlookout.app.foundation import opened
from openlookout.app.refused import StartRefused
from openlookout.clients import Client, make_client
from openlookout.settings import read_settings
from openlookout.wire.in_process import post

STOP_SECONDS_MAX = 30
READY, STOP = "ready", "stop"  # Said over the engine's pipes.

T = TypeVar("T")


def local(path: str | os.PathLike[str], **options: Any) -> Client:
    """Give the same client over a service that runs in this program on a data folder, without a socket.

    The API answers in this process; jobs run in one child process, which ends with this one however that ends. Buckets
    are the folders of `<path>/buckets`. The client is a context manager; its `close` stops the service. `options` are
    those of `boto3.client`.

    Raises:
        StartRefused: another process has the folder, or the settings in the environment do not fit.
    """
    service = _Local(Path(path))
    try:
        client = make_client("http://localhost", options, service.add_to_class)
        client.meta.events.register(f"before-send.{client_model.SERVICE}", service.answer)
    except BaseException:
        service.close()
        raise
    return client


class _Local:
    """A service inside this process: its application, and the child that runs its jobs."""

    def __init__(self, path: Path) -> None:
        try:
            settings = read_settings({"data": path})
        except ValueError as error:
            raise StartRefused(str(error)) from None
        self._closing = threading.Lock()
        self._engine = _Engine(path)
        with ExitStack() as stack:
            stack.callback(self._engine.stop)
            self._app = embedded_app(stack.enter_context(opened(settings)))
            self._loop = _Loop()
            stack.callback(self._loop.stop)
            self._open = stack.pop_all()
        atexit.register(self.close)

    def close(self) -> None:
        """Stop the service; jobs under way are resumed when the folder is opened again. A fork's call does nothing."""
        if not self._engine.is_ours:
            return
        atexit.unregister(self.close)
        with self._closing:
            self._open.close()  # Does nothing the second time.

    def add_to_class(self, class_attributes: dict[str, Any], **_: Any) -> None:
        """Let the client's class stop the service: botocore's hook for what a client can do more."""
        service = self

        def close(_client: Client) -> None:
            """Stop the service."""
            service.close()

        class_attributes |= {"close": close, "__enter__": lambda client: client, "__exit__": lambda *_: service.close()}

    def answer(self, request: Any, **_: Any) -> AWSResponse:
        """Answer a signed request as the socket would; botocore then sends nothing.

        Raises:
            StartRefused: the service was closed, or its engine ended.
        """
        self._engine.check()
        body = request.body or b""
        headers = [(name.lower().encode(), _text(value).encode("latin-1")) for name, value in request.headers.items()]
        headers = [*((name, value) for name, value in headers if name != b"host"), (b"host", b"localhost")]
        status, answered, content = self._loop.run(post(self._app, headers, _bytes(body)))
        return AWSResponse(request.url, status, answered, _Raw(content))


class _Loop:
    """An event loop in a thread of its own, for an application that is asked from any thread.

    Not anyio's portal: that is a generator, and a fork of the program would wait in its end for a thread that it lacks.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="openlookout")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Give what the coroutine gives."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


class _Engine:
    """The child process of a data folder. It ends at a word of ours, and by itself when this process has ended.

    It belongs to the process that started it: a fork of that has copies of the pipes, and may neither use nor end it.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._owner = path, os.getpid()
        self._process = subprocess.Popen(  # noqa: S603  # Our own command, on the folder that the caller names.
            [sys.executable, "-m", "openlookout.cli", "engine", "--data", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != READY:
            _, said = self._process.communicate()
            lines = said.strip().splitlines() or ["the engine ended without a word"]
            raise StartRefused(lines[-1].removeprefix("openlookout: "))
        for stream in (self._process.stdout, self._process.stderr):
            threading.Thread(target=_pass_on, args=(stream,), daemon=True, name="openlookout-log").start()

    @property
    def is_ours(self) -> bool:
        """Whether this process started the engine."""
        return os.getpid() == self._owner

    def check(self) -> None:
        """Raises StartRefused: the engine has ended, or is another process's."""
        if not self.is_ours:
            raise StartRefused(
                f"the service on {self._path} belongs to process {self._owner}, which this was forked from"
            )
        code = self._process.poll()
        if code is not None:
            raise StartRefused(f"the service on {self._path} is closed: its engine ended with {code}")

    def stop(self) -> None:
        """End the child, at the latest by force."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # It has ended already.
            self._process.stdin.write(f"{STOP}\n")
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _pass_on(stream: IO[str]) -> None:
    """Show as our own what the engine logs: nobody reading it, the pipe would fill and the engine stand still."""
    for line in stream:
        sys.stderr.write(line)


class _Raw(io.BytesIO):
    """A body as botocore reads one from urllib3."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)
