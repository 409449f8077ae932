"""HTTP: POST / carries the API; /healthz and /metrics say how the service is. Is given what carries a request out.

Browsers are kept out of the API: a Host that is not ours (DNS rebinding) or an Origin of another site is refused.
"""

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openlookout.api.caller import Caller
from openlookout.api.definition import definition
from openlookout.api.errors import (
    ForbiddenException,
    InternalServerException,
    RequestEntityTooLargeException,
)
from openlookout.api.service_error import ServiceError
from openlookout.wire import protocol, sigv4
from openlookout.wire.validation import compile_validators

BODY_BYTES_MAX = 8 * 2**20  # A schema may have a million characters, each up to six bytes as JSON.
THREADS_MAX = 16

Dispatch = Callable[[str, Caller, Mapping[str, Any]], Mapping[str, Any] | None]
Health = Callable[[], Mapping[str, str]]

VALIDATORS = compile_validators(definition())
log = structlog.get_logger()


@dataclass(frozen=True)
class Server:
    """What the HTTP layer is given.

    `health` gives a word for each part, "ok" when it is well. `hosts` are the names under which the service is
    reached; empty: any. `keys` decides whether signatures are verified: when there is none, all are let in.
    """

    dispatch: Dispatch
    keys: sigv4.Keys
    account: str
    region: str
    health: Health
    version: str
    hosts: frozenset[str] = frozenset()
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)


def create_app(
    server: Server, lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None
) -> Starlette:
    """Give the ASGI application."""
    routes = [
        Route("/", _api(server), methods=["POST"]),
        Route("/healthz", _healthz(server), methods=["GET"]),
        Route("/metrics", _metrics(server), methods=["GET"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def _api(server: Server) -> Callable[[Request], Awaitable[Response]]:
    requests = Counter(
        "openlookout_requests", "Requests by operation and outcome", ["operation", "outcome"], registry=server.metrics
    )
    seconds = Histogram(
        "openlookout_request_seconds", "Time to answer a request", ["operation"], registry=server.metrics
    )
    limiter: list[anyio.CapacityLimiter] = []

    async def api(request: Request) -> Response:
        started, request_id, name = time.perf_counter(), str(uuid.uuid4()), "unknown"
        if not limiter:  # Limiters belong to the loop that they are made in.
            limiter.append(anyio.CapacityLimiter(THREADS_MAX))
        try:
            _check_origin(server, request)
            name = protocol.operation_of(request.headers.get("x-amz-target"), VALIDATORS)
            body = await _body(request)
            answer = await anyio.to_thread.run_sync(
                _carry_out, server, name, request, body, request_id, limiter=limiter[0]
            )
            outcome, status, error_type = "ok", 200, None
        except ServiceError as error:
            outcome, status, error_type = error.code, error.http_status, error.code
            answer = protocol.error_body(error)
        except Exception:
            log.exception("request failed", request_id=request_id, operation=name)
            failure = InternalServerException(f"The service failed; its log tells why under the request {request_id}.")
            outcome, status, error_type = failure.code, failure.http_status, failure.code
            answer = protocol.error_body(failure)
        requests.labels(name, outcome).inc()
        seconds.labels(name).observe(time.perf_counter() - started)
        headers = {"x-amzn-RequestId": request_id, "content-type": protocol.CONTENT_TYPE}
        if error_type:
            headers["x-amzn-ErrorType"] = error_type
        return Response(answer, status_code=status, headers=headers)

    return api


def _carry_out(server: Server, name: str, request: Request, body: bytes, request_id: str) -> bytes:
    caller = _caller(server, request, body, request_id)
    valid = VALIDATORS[name](protocol.parse(body))
    return protocol.serialise(server.dispatch(name, caller, valid))


def _caller(server: Server, request: Request, body: bytes, request_id: str) -> Caller:
    if not server.keys.any():
        region = sigv4.region_of(request.headers.get("authorization")) or server.region
        return Caller(server.account, region, request_id)
    signed = sigv4.Request(
        request.method,
        request.scope.get("raw_path", b"/").decode("ascii", "replace"),
        request.scope.get("query_string", b"").decode("ascii", "replace"),
        dict(request.headers),
        body,
    )
    key, region = sigv4.verify(signed, server.keys, datetime.now(UTC))
    return Caller(key.account, region, request_id, key.id)


async def _body(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise RequestEntityTooLargeException(f"The body is longer than {BODY_BYTES_MAX} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)


def _check_origin(server: Server, request: Request) -> None:
    host = request.headers.get("host", "")
    if server.hosts and _name(host) not in server.hosts:
        raise ForbiddenException(
            f"The host name '{host[:256]}' is not one of this service's: {', '.join(sorted(server.hosts))}."
        )
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise ForbiddenException(f"Requests from pages of '{origin[:256]}' are refused.")


def _name(host: str) -> str:
    """The host without its port: `[::1]:8580` is `[::1]`."""
    name, bracket, _ = host.partition("]")
    return (name + bracket if bracket else host.partition(":")[0]).lower()


def _healthz(server: Server) -> Callable[[Request], Awaitable[Response]]:
    async def healthz(_request: Request) -> Response:
        checks = await anyio.to_thread.run_sync(server.health)
        is_well = all(said == "ok" for said in checks.values())
        status = "ok" if is_well else "unwell"
        return JSONResponse(
            {"status": status, "version": server.version, "checks": dict(checks)}, status_code=200 if is_well else 503
        )

    return healthz


def _metrics(server: Server) -> Callable[[Request], Awaitable[Response]]:
    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(server.metrics), media_type="text/plain; version=0.0.4")

    return metrics
