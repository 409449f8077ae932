"""Strangers at the door: requests without end, in length or in time, neither fill the memory nor keep a place."""

import http.client
import socket
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette

from openlookout.app.api import http_config
from openlookout.wire.connections import HEADERS_BYTES_MAX, BoundedConnection
from openlookout.wire.server import SMALL_BODY_BYTES
from served import api_alone

START = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSLookoutEquipmentFrontendService.ListModels\r\n"


class Impatient(BoundedConnection):
    """As the real one, with less time."""

    headers_seconds_max = 0.3


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("door")
    with api_alone(f"sqlite:///{folder / 'openlookout.db'}", http=Impatient) as api:
        yield api.port


def connected(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=20)
    made.settimeout(20)
    return made


def until_closed(connection: socket.socket) -> bytes:
    """Everything that is still said on a connection; fails if it stays open."""
    said = b""
    try:
        while part := connection.recv(65536):
            said += part
    except ConnectionResetError:
        pass
    connection.close()
    return said


@pytest.mark.parametrize(
    "piece", [b"a" * 65536, b"X-H: " + b"b" * 4000 + b"\r\n", b"\xff\xfe\x00" * 1000], ids=["one", "many", "odd"]
)
def test_headers_without_end_are_cut_off(port: int, piece: bytes) -> None:
    def send_without_end() -> None:
        connection.sendall(START + b"X-Long: a")
        for _ in range(50 * 2**20 // len(piece)):  # What the kernels of both ends keep comes on top of the limit.
            connection.sendall(piece)

    connection = connected(port)
    with pytest.raises(OSError, match=r"[Rr]eset|[Bb]roken pipe"):
        send_without_end()
    connection.close()


def test_headers_just_below_the_limit_are_read(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    target = "AWSLookoutEquipmentFrontendService.ListModels"
    connection.request("POST", "/", b"{}", {"X-Amz-Target": target, "X-Long": "a" * (HEADERS_BYTES_MAX - 1000)})
    assert connection.getresponse().status == 200


@pytest.mark.parametrize("start", [b"", START, START + b"X-Long: "], ids=["nothing", "headers", "a header"])
def test_a_request_that_does_not_come_loses_its_place(port: int, start: bytes) -> None:
    connection = connected(port)
    connection.sendall(start)
    begun = time.monotonic()
    assert until_closed(connection) == b""
    assert time.monotonic() - begun < 15


def test_a_connection_is_used_again_after_requests_of_any_length(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for size in (0, 10, SMALL_BODY_BYTES * 3, 5):
        body = b'{"ModelNameBeginsWith": "' + b"a" * size + b'"}'
        connection.request("POST", "/", body, {"X-Amz-Target": "AWSLookoutEquipmentFrontendService.ListModels"})
        answer = connection.getresponse()
        assert answer.status in {200, 400}
        answer.read()


def test_the_service_listens_with_these_limits() -> None:
    assert http_config(Starlette()).http is BoundedConnection
    assert BoundedConnection.headers_seconds_max == 30.0
