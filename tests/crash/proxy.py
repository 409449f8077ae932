"""A TCP proxy that can be a bad network: refuses, is slow, cuts what is under way after some bytes."""

import contextlib
import random
import socket
import threading
import time
from typing import Literal

Mode = Literal["well", "refuse", "slow", "cut"]
BLOCK_BYTES = 4096
SLOW_SECONDS = 0.05  # For each block.


class Proxy:
    """Listens on `port` of this machine and passes on to another one; `mode` may be set at any time."""

    def __init__(self, target_port: int, draw: random.Random) -> None:
        self.mode: Mode = "well"
        self._target, self._draw = target_port, draw
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listening.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def cut_all(self) -> None:
        """End every connection that is open now, in the midst of whatever it says."""
        for each in list(self._open):
            _end(each)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self.mode == "refuse":
                _end(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=30)
            except OSError:
                _end(client)
                continue
            self._open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        left = self._draw.randrange(1, 60_000)  # Until the cut, if there is one.
        try:
            while block := source.recv(BLOCK_BYTES):
                mode = self.mode
                if mode == "slow":
                    time.sleep(SLOW_SECONDS)
                if mode == "cut":
                    sink.sendall(block[:left])
                    left -= len(block)
                    if left <= 0:
                        break
                    continue
                if mode == "refuse":
                    break
                sink.sendall(block)
        except OSError:
            pass
        for each in (source, sink):
            _end(each)
            self._open.discard(each)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
