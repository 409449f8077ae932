"""The HTTP layer over sockets: what boto3 and plain HTTP clients get, and what browsers and broken clients do not."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlookout.api.errors import ConflictException
from openlookout.metrics import REGISTRY
from openlookout.wire import server as wire_server
from openlookout.wire.server import BODY_BYTES_MAX, LARGE_BODIES_MAX, SMALL_BODY_BYTES, THREADS_MAX
from served import boto_client
from wire.conftest import Serve, Served
from wire.requests_of import OPERATIONS, input_shape, valid

PREFIX = "AWSLookoutEquipmentFrontendService."


def ask(
    port: int,
    body: bytes = b"{}",
    *,
    operation: str = "ListModels",
    method: str = "POST",
    path: str = "/",
    **headers: str,
) -> tuple[int, Mapping[str, str], bytes]:
    """Send one request; give status, headers in lower case and body. Header names have _ for -."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    sent = {"X-Amz-Target": PREFIX + operation, "Content-Type": "application/x-amz-json-1.0"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    told = {name.lower(): value for name, value in answer.getheaders()}
    content = answer.read()
    connection.close()
    return answer.status, told, content


def error_of(answer: tuple[int, Mapping[str, str], bytes]) -> tuple[int, str, str]:
    """Status, type and message of an error answer, whose parts must agree."""
    status, headers, content = answer
    body = json.loads(content)
    assert headers["x-amzn-errortype"] == body["__type"]
    assert body["Message"] == body["message"]
    assert len(headers["x-amzn-requestid"]) == 36
    return status, body["__type"], body["Message"]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_boto3_reaches_every_operation_with_what_it_sends(open_server: Served, data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(OPERATIONS))
    request = data.draw(valid(input_shape(operation)))
    client = boto_client(open_server.port)
    method = next(name for name, api in client.meta.method_to_api_mapping.items() if api == operation)
    getattr(client, method)(**request)
    name, _, received = open_server.calls[-1]
    filled = {"ClientToken": received["ClientToken"]} if "ClientToken" in received else {}
    assert (name, received) == (operation, {**filled, **request})


def test_boto3_reads_what_an_operation_answers(open_server: Served) -> None:
    at = datetime(2026, 1, 1, 0, 0, 0, 123000, tzinfo=UTC)
    versions = [{"ModelVersion": 1, "CreatedAt": at, "ModelQuality": None}]
    with open_server.answering("ListModelVersions", lambda _: {"ModelVersionSummaries": versions, "NextToken": None}):
        answer = boto_client(open_server.port).list_model_versions(ModelName="m")
    told = answer.pop("ResponseMetadata")
    assert answer == {"ModelVersionSummaries": [{"ModelVersion": 1, "CreatedAt": at}]}
    assert told["RequestId"] == told["HTTPHeaders"]["x-amzn-requestid"] == open_server.calls[-1][1].request_id


def test_an_operation_without_output_answers_200_with_no_body(open_server: Served) -> None:
    with open_server.answering("DeleteModel", lambda _: None):
        status, headers, content = ask(open_server.port, b'{"ModelName": "m"}', operation="DeleteModel")
    assert (status, headers["content-length"], content) == (200, "0", b"")
    assert {"x-amzn-requestid", "date"} <= set(headers)


def test_an_error_of_an_operation_is_an_exception_of_the_model_in_boto3(open_server: Served) -> None:
    def conflict(_: Mapping[str, Any]) -> None:
        raise ConflictException("A model named 'm' exists already.")

    client = boto_client(open_server.port)
    with (
        open_server.answering("DeleteModel", conflict),
        pytest.raises(client.exceptions.ConflictException, match=r"A model named 'm' exists already\."),
    ):
        client.delete_model(ModelName="m")


def test_a_bug_leaves_as_an_internal_error_without_detail_and_is_logged_with_the_request_id(
    open_server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(_: Mapping[str, Any]) -> None:
        raise KeyError("secret-detail")

    with open_server.answering("DeleteModel", bug):
        answer = ask(open_server.port, b'{"ModelName": "m"}', operation="DeleteModel")
    status, code, message = error_of(answer)
    assert (status, code) == (500, "InternalServerException")
    assert "secret-detail" not in message
    logged = caplog.text
    assert answer[1]["x-amzn-requestid"] in message
    assert answer[1]["x-amzn-requestid"] in logged
    assert "secret-detail" in logged


def test_a_request_that_was_authenticated_and_then_refused_is_told_of(open_server: Served) -> None:
    def conflict(_: Mapping[str, Any]) -> None:
        raise ConflictException("busy")

    def bug(_: Mapping[str, Any]) -> None:
        raise KeyError("secret-detail")

    told = []
    for body, operation in ((b"{", None), (b'{"ModelName": ""}', None), (b'{"ModelName": "m"}', conflict)):
        with open_server.answering("DeleteModel", operation or bug):
            answer = ask(open_server.port, body, operation="DeleteModel")
        name, caller, asked, error = open_server.refusals[-1]
        assert (name, caller.request_id) == ("DeleteModel", answer[1]["x-amzn-requestid"])
        assert (error.code, error.message) == error_of(answer)[1:]
        told.append(asked)
    assert told == [None, {"ModelName": ""}, {"ModelName": "m"}]
    with open_server.answering("DeleteModel", bug):
        answer = ask(open_server.port, b'{"ModelName": "m"}', operation="DeleteModel")
    assert (open_server.refusals[-1][3].code, open_server.refusals[-1][3].message) == error_of(answer)[1:]


def test_a_request_that_was_not_authenticated_is_not_told_of(locked_server: Served) -> None:
    assert error_of(ask(locked_server.port, b"{", operation="DeleteModel"))[0] == 403
    assert locked_server.refusals == []


def test_an_answer_that_cannot_be_encoded_is_an_internal_error(open_server: Served) -> None:
    with open_server.answering("DeleteModel", lambda _: {"At": datetime(2026, 1, 1)}):  # noqa: DTZ001
        answer = ask(open_server.port, b'{"ModelName": "m"}', operation="DeleteModel")
    assert error_of(answer)[:2] == (500, "InternalServerException")


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{}", {"X_Amz_Target": "ListModels"}, 404, "UnknownOperationException"),
        (b"{}", {"X_Amz_Target": PREFIX + "ListModelsX"}, 404, "UnknownOperationException"),
        (b"{", {}, 400, "SerializationException"),
        (b"\xff", {}, 400, "SerializationException"),
        (b'{"MaxResults": "1"}', {}, 400, "SerializationException"),
        (b'{"MaxResults": 1e99999999999999999999}', {}, 400, "SerializationException"),
        (b'{"MaxResults": 0}', {}, 400, "ValidationException"),
        (b'{"NextToken": "\\ud800"}', {}, 400, "ValidationException"),
        (b"{}", {"Content_Type": "text/plain"}, 400, "SerializationException"),
        (b"{}", {"Host": "evil.example"}, 403, "ForbiddenException"),
        (b"{}", {"Host": "127.0.0.1.evil.example:8580"}, 403, "ForbiddenException"),
        (b"{}", {"Host": ""}, 403, "ForbiddenException"),
        (b"{}", {"Origin": "https://evil.example"}, 403, "ForbiddenException"),
        (b"{}", {"Origin": "null"}, 403, "ForbiddenException"),
        (b"{}", {"Origin": "http://["}, 403, "ForbiddenException"),
        (b"{}", {"Origin": "127.0.0.1"}, 403, "ForbiddenException"),
    ],
)
def test_each_kind_of_bad_request_has_its_error_and_reaches_no_operation(
    open_server: Served, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    before = len(open_server.calls)
    assert error_of(ask(open_server.port, body, **headers))[:2] == (status, code)
    assert len(open_server.calls) == before


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8580", "[::1]"])
def test_every_name_of_our_own_is_let_in_and_so_are_its_pages(open_server: Served, host: str) -> None:
    assert ask(open_server.port, Host=host)[0] == 200
    assert ask(open_server.port, Host=host, Origin=f"http://{host}")[0] == 200


def test_where_no_names_are_given_any_host_is_let_in_but_no_page_of_another(serve: Serve) -> None:
    port = serve(hosts=frozenset()).port
    assert ask(port, Host="lookout.example")[0] == 200
    assert ask(port, Host="lookout.example", Origin="https://evil.example")[0] == 403


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_and_metrics_are_for_our_own_names_only(open_server: Served, path: str) -> None:
    assert ask(open_server.port, method="GET", path=path)[0] == 200
    assert ask(open_server.port, method="GET", path=path, Host="evil.example")[0] == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 405), ("PUT", "/", 405), ("POST", "/healthz", 405), ("GET", "/x", 404), ("POST", "/healthz/", 404)],
)
def test_a_wrong_method_or_path_has_a_small_answer_that_says_where_the_api_is(
    open_server: Served, method: str, path: str, status: int
) -> None:
    told, headers, content = ask(open_server.port, method=method, path=path)
    assert told == status
    assert "the API is POST /" in json.loads(content)["message"]
    assert ("allow" in headers) == (status == 405)


def test_a_body_is_read_up_to_its_limit_and_no_further(open_server: Served) -> None:
    padding = b" " * (BODY_BYTES_MAX - 2)
    assert ask(open_server.port, b"{}" + padding)[0] == 200
    status, code, message = error_of(ask(open_server.port, b"{}" + padding + b" "))
    assert (status, code) == (413, "RequestEntityTooLargeException")
    assert str(BODY_BYTES_MAX) in message


def test_a_body_without_end_is_refused_while_it_is_read(open_server: Served) -> None:
    with socket.create_connection(("127.0.0.1", open_server.port), timeout=20) as sending:
        head = f"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: {PREFIX}ListModels\r\n"
        sending.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"100000\r\n" + b" " * 2**20 + b"\r\n"
        for _ in range(BODY_BYTES_MAX // 2**20 + 1):
            sending.sendall(chunk)
        assert sending.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_leaves_in_the_middle_is_no_failure(open_server: Served) -> None:
    before = _counted(open_server.port, "disconnected")
    with socket.create_connection(("127.0.0.1", open_server.port)) as leaving:
        head = f"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: {PREFIX}ListModels\r\nContent-Length: 9\r\n\r\n"
        leaving.sendall(head.encode() + b"{")
        time.sleep(0.1)
    deadline = time.monotonic() + 10
    while _counted(open_server.port, "disconnected") == before:
        assert time.monotonic() < deadline, "the disconnection was not counted"
        time.sleep(0.02)


def _counted(port: int, outcome: str) -> float:
    """How many requests had an outcome, as /metrics says."""
    lines = ask(port, method="GET", path="/metrics")[2].decode().splitlines()
    counts = [line for line in lines if line.startswith("openlookout_requests_total") and f'"{outcome}"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in counts)


def test_requests_are_counted_by_operation_and_outcome_under_bounded_names(serve: Serve) -> None:
    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"openlookout_{name}", labels) or 0.0

    def figures() -> list[float]:
        return [
            counted("requests_total", operation="ListModels", outcome="ok"),
            counted("requests_total", operation="ListModels", outcome="ValidationException"),
            counted("requests_total", operation="unknown", outcome="UnknownOperationException"),
            counted("request_seconds_count", operation="ListModels"),
        ]

    port, before = serve().port, figures()
    ask(port)
    ask(port, b'{"MaxResults": 0}')
    for i in range(5):
        ask(port, operation=f"Invented{i}")
    assert [after - first for after, first in zip(figures(), before, strict=True)] == [1, 1, 5, 2]
    told = ask(port, method="GET", path="/metrics")[2].decode()
    assert 'openlookout_requests_total{operation="ListModels",outcome="ok"}' in told
    assert "Invented" not in told


def test_metrics_are_for_this_machine_or_for_who_shows_the_token(serve: Serve) -> None:
    assert ask(serve(is_open_without_keys=False).port, method="GET", path="/metrics")[0] == 403
    port = serve(is_open_without_keys=False, metrics_token="let me see").port
    for wrong in ("", "Bearer", "Bearer let me se", "let me see", "Bearer let me see "):
        status, _, content = ask(port, method="GET", path="/metrics", Authorization=wrong)
        assert (status, b"openlookout_requests" in content) == (403, False), wrong
    assert ask(port, method="GET", path="/metrics", Authorization="Bearer let me see")[0] == 200
    assert ask(port, method="GET", path="/healthz")[0] == 200


def test_ready_is_who_has_every_part_and_alive_is_who_answers(serve: Serve) -> None:
    parts = {"database": "ok", "buckets": "ok"}
    port = serve(health=lambda: parts).port
    status, _, content = ask(port, method="GET", path="/readyz")
    assert (status, json.loads(content)) == (200, {"status": "ok", "version": "1.2.3", "checks": parts})
    parts["buckets"] = "the disk is full"
    status, _, content = ask(port, method="GET", path="/readyz")
    assert (status, json.loads(content)["status"]) == (503, "unwell")
    assert ask(port, method="GET", path="/healthz")[0] == 200


def test_slow_operations_wait_for_a_thread_and_health_does_not(open_server: Served) -> None:
    goes_on, running = threading.Event(), threading.Semaphore(0)

    def wait(_: Mapping[str, Any]) -> Mapping[str, Any]:
        running.release()
        assert goes_on.wait(20)
        return {}

    n_requests = THREADS_MAX + 8
    with open_server.answering("ListModels", wait), ThreadPoolExecutor(n_requests) as pool:
        answers = [pool.submit(ask, open_server.port) for _ in range(n_requests)]
        for _ in range(THREADS_MAX):
            assert running.acquire(timeout=10)
        assert ask(open_server.port, method="GET", path="/healthz")[0] == 200
        assert not running.acquire(timeout=0.2), "more requests run than there are threads"
        goes_on.set()
        assert {answer.result()[0] for answer in answers} == {200}


def test_the_region_of_an_unsigned_request_is_the_default(open_server: Served) -> None:
    ask(open_server.port)
    _, caller, _ = open_server.calls[-1]
    assert (caller.account, caller.region, caller.principal) == ("123456789012", "us-east-1", None)


def test_an_unsigned_request_is_refused_where_there_are_keys(locked_server: Served) -> None:
    status, code, message = error_of(ask(locked_server.port, b"not even JSON"))
    assert (status, code) == (403, "MissingAuthenticationTokenException")
    assert "not signed" in message


@settings(max_examples=50, deadline=None)
@given(body=st.binary(max_size=200), target=st.sampled_from(OPERATIONS))
def test_no_body_is_a_failure_of_the_service(open_server: Served, body: bytes, target: str) -> None:
    assert ask(open_server.port, body, operation=target)[0] < 500


def test_a_body_that_does_not_come_is_refused_and_frees_its_place(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_server, "BODY_SECONDS_MAX", 1.0)
    port, head = serve().port, f"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: {PREFIX}ListModels\r\n"
    waiting = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(LARGE_BODIES_MAX + 4)]
    for connection in waiting:
        connection.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + b"a" * (SMALL_BODY_BYTES + 2))
    for connection in waiting:
        answer = b""
        while b"did not arrive within 1 s" not in answer and (part := connection.recv(65536)):
            answer += part
        assert answer.startswith(b"HTTP/1.1 400")
        connection.close()
    status, code, _ = error_of(ask(port, b'{"NextToken": "' + b"a" * (SMALL_BODY_BYTES + 1) + b'"}'))
    assert (status, code) == (400, "ValidationException")
