"""An OPC UA server of its own process, for tests: one node counts, ten times a second, one stands still, one is bad."""

import asyncio
import contextlib
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from asyncua import Server, ua

STEP_SECONDS = 0.1


class OpcuaServer:
    """A server on a port that stays the same; `first` is what it counts from."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    def start(self, first: int) -> None:
        command = [sys.executable, __file__, str(self.port), str(first)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    @contextlib.contextmanager
    def up(self) -> Iterator["OpcuaServer"]:
        self.start(0)
        try:
            yield self
        finally:
            self.kill()


async def _serve(port: int, first: int) -> None:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    space = await server.register_namespace("urn:plant")
    pump = await server.nodes.objects.add_object(space, "Pump")
    count = await pump.add_variable(ua.NodeId("Count", space), "Count", float(first))
    await pump.add_variable(ua.NodeId("Still", space), "Still", 7.5)
    bad = await pump.add_variable(ua.NodeId("Bad", space), "Bad", 1.0)
    status = ua.StatusCode(ua.StatusCodes.BadSensorFailure)
    await bad.write_value(ua.DataValue(ua.Variant(1.0), StatusCode=status, SourceTimestamp=datetime.now(UTC)))
    async with server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            first += 1
            await count.write_value(ua.DataValue(ua.Variant(float(first)), SourceTimestamp=datetime.now(UTC)))
            await asyncio.sleep(STEP_SECONDS)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
