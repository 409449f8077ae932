"""Connections whose requests have an end: headers of bounded length that arrive in bounded time. Knows bytes only.

uvicorn's own keep whatever a stranger sends until the headers end, and wait for ever for their end.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_BYTES_MAX = 64 * 2**10


class BoundedConnection(HttpToolsProtocol):
    """For `uvicorn.Config(http=…)`."""

    headers_seconds_max = 30.0

    _n_bytes = 0
    _is_within_headers = True
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._n_bytes, self._is_within_headers = 0, True
        self._await_headers()

    def on_headers_complete(self) -> None:
        self._is_within_headers = False
        self._forget_deadline()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Counted only while the headers have not ended: a body may be longer, and has a limit of its own.
        if self._is_within_headers and not self.transport.is_closing():
            self._n_bytes += len(data)
            if self._n_bytes > HEADERS_BYTES_MAX:
                self.send_400_response(f"The headers are longer than {HEADERS_BYTES_MAX} bytes.")

    def _await_headers(self) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_later(self.headers_seconds_max, self._give_up)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
