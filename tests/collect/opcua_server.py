"""An OPC UA server of its own process, for tests: one node counts, ten times a second, one stands still, one is bad."""

import asyncio
import contextlib
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager

STEP_SECONDS = 0.1


class OpcuaServer:
    """A server on a port that stays the same; `first` is what it counts from.

    `secured`: files of its certificate and key, and the user and password that it lets in, encrypted alone.
    """

    def __init__(self, *secured: str) -> None:
        self._secured = secured
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    def start(self, first: int) -> None:
        command = [sys.executable, __file__, str(self.port), str(first), *self._secured]
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


@dataclass(frozen=True)
class _Users(UserManager):
    user: str
    password: str

    def get_user(
        self, iserver: Any, username: Any = None, password: Any = None, certificate: Any = None
    ) -> User | None:
        return User(role=UserRole.User) if (username, password) == (self.user, self.password) else None


async def _serve(port: int, first: int, *secured: str) -> None:
    server = Server(user_manager=_Users(*secured[2:])) if secured else Server()
    await server.init()
    if secured:
        await server.set_application_uri("urn:server")
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        await server.load_certificate(secured[0])
        await server.load_private_key(secured[1])
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
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
