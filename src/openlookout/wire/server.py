"""HTTP: POST / carries the API; beside it stand the probes. Is given what carries a request out.

A Host that is not ours (DNS rebinding) or an Origin of another site is refused, by the API and by the pages that are
mounted beside it.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, ParamSpec, TypeVar

import anyio
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from openlookout.api.caller import Caller
from openlookout.api.definition import definition
from openlookout.api.errors import (
    ForbiddenException,
    InternalServerException,
    RequestEntityTooLargeException,
    SerializationException,
)
from openlookout.api.service_error import ServiceError
from openlookout.logs import logger
from openlookout.metrics import REQUEST_SECONDS, REQUESTS
from openlookout.traces import span
from openlookout.wire import protocol, sigv4
from openlookout.wire.probes import Endpoint, Probes, probe_routes, refusing
from openlookout.wire.validation import compile_validators

BODY_BYTES_MAX = 8 * 2**20  # A schema may have a million characters, each up to six bytes as JSON.
THREADS_MAX = 16
SMALL_BODY_BYTES = 64 * 2**10
LARGE_BODIES_MAX = 32  # At once: 256 MiB, whoever sends them.
BODY_SECONDS_MAX = 60.0
OK, DISCONNECTED = "ok", "disconnected"  # Outcomes that are no error's code.
LOOKING = ("Describe", "List")
UNKNOWN = "unknown"  # The operation, while a request has named none: strangers do not fill the log.

P = ParamSpec("P")
T = TypeVar("T")
Dispatch = Callable[[str, Caller, Mapping[str, Any]], Mapping[str, Any] | None]
Refused = Callable[[str, Caller, Any, ServiceError], None]
Health = Callable[[], Mapping[str, str]]

VALIDATORS = compile_validators(definition())
log = logger(__name__)
_CONTENT_TYPE = protocol.CONTENT_TYPE.encode()


@dataclass(frozen=True)
class Server:
    """What the HTTP layer is given.

    `refused` is told of every request that was authenticated and then refused, with the body as far as it could be
    read. `health` gives a word for each part, "ok" when it is well. `hosts` are the names under which the service is
    reached; empty: any. Where there are `keys`, requests must be signed with one. Where there are none, all are let in
    if `is_open_without_keys` (right where only this machine reaches the service), and nobody otherwise. `pages` answers
    whatever else is asked for.
    """

    dispatch: Dispatch
    refused: Refused
    keys: sigv4.Keys
    account: str
    region: str
    health: Health
    version: str
    hosts: frozenset[str] = frozenset()
    is_open_without_keys: bool = True
    pages: ASGIApp | None = None
    metrics_token: str = ""  # Who asks for metrics must show it; empty: they are for this machine only.
    # What is shown beside the metrics of this process.
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)


def create_app(
    server: Server, lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None
) -> Starlette:
    """Give the ASGI application."""
    api = _Api(server)
    routes: list[BaseRoute] = [
        Route("/", api, methods=["POST"]),
        *probe_routes(_probes(server), partial(_guarded, server)),
    ]
    if server.pages is not None:
        routes.append(Mount("/", _Guarded(server, server.pages)))
    return _Application(api, routes, lifespan)


class _Application(Starlette):
    """The API first: routing and middleware cost as much as a page of rows, and requests of the API need neither."""

    def __init__(
        self,
        api: ASGIApp,
        routes: list[BaseRoute],
        lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None,
    ) -> None:
        super().__init__(routes=routes, lifespan=lifespan, exception_handlers={404: _not_here, 405: _not_here})
        self.router.redirect_slashes = False
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/" and scope["method"] == "POST":
            await self._api(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class _Api:
    """Answers the requests of the API, counts them and times them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._threads = ThreadPoolExecutor(THREADS_MAX, "request")
        self._large = anyio.CapacityLimiter(LARGE_BODIES_MAX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, request_id, headers = time.perf_counter(), str(uuid.uuid4()), _joined(scope)
        with bound_contextvars(request_id=request_id), span("request", headers, request_id=request_id) as traced:
            name, outcome, status, answer = await self._answered(scope, receive, headers, request_id)
            seconds = time.perf_counter() - started
            traced.set("operation", name)
            traced.set("outcome", outcome)
            say = log.debug if name.startswith((*LOOKING, UNKNOWN)) else log.info
            say("request", operation=name, outcome=outcome, seconds=round(seconds, 6))
        REQUESTS.labels(name, outcome).inc()
        REQUEST_SECONDS.labels(name).observe(seconds)
        said = [
            (b"x-amzn-requestid", request_id.encode()),
            (b"content-type", _CONTENT_TYPE),
            (b"content-length", str(len(answer)).encode()),
        ]
        if outcome not in {OK, DISCONNECTED}:
            said.append((b"x-amzn-errortype", outcome.encode()))
        await send({"type": "http.response.start", "status": status, "headers": said})
        await send({"type": "http.response.body", "body": answer})

    async def _in_thread(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Not in anyio's way, which passes through the loop more often and costs twice as much."""
        run = partial(copy_context().run, function, *arguments, **named)
        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    async def _answered(
        self, scope: Scope, receive: Receive, headers: dict[str, str], request_id: str
    ) -> tuple[str, str, int, bytes]:
        """Give operation, outcome, status and body."""
        server, name = self._server, UNKNOWN
        try:
            _check_origin(server, headers)
            name = protocol.operation_of(_first(scope, b"x-amz-target"), VALIDATORS)
            protocol.check_content_type(_first(scope, b"content-type") or "")
            async with AsyncExitStack() as held:
                request = _signed(scope, headers, await _body(receive, held, self._large))
                answer = await self._in_thread(_carry_out, server, name, request, request_id)
        except ServiceError as error:
            return name, error.code, error.http_status, protocol.error_body(error)
        except ClientDisconnect:  # Nobody reads the answer.
            return name, DISCONNECTED, 400, b""
        except Exception:
            log.exception("request failed", operation=name)
            failure = _failure(request_id)
            return name, failure.code, failure.http_status, protocol.error_body(failure)
        return name, OK, 200, answer


def _failure(request_id: str) -> InternalServerException:
    return InternalServerException(f"The service failed; its log tells why under the request {request_id}.")


def _carry_out(server: Server, name: str, request: sigv4.Request, request_id: str) -> bytes:
    caller = _caller(server, request, request_id)
    asked: Any = None
    try:
        asked = protocol.parse(request.body)
        return protocol.serialise(server.dispatch(name, caller, VALIDATORS[name](asked)))
    except ServiceError as error:
        server.refused(name, caller, asked, error)
        raise
    except Exception:
        server.refused(name, caller, asked, _failure(request_id))
        raise


def _caller(server: Server, request: sigv4.Request, request_id: str) -> Caller:
    if server.is_open_without_keys and not server.keys.any():
        region = sigv4.region_of(request.headers.get("authorization")) or server.region
        return Caller(server.account, region, request_id)
    key, region = sigv4.verify(request, server.keys, datetime.now(UTC))
    return Caller(key.account, region, request_id, key.id, key.is_read_only)


def _signed(scope: Scope, headers: Mapping[str, str], body: bytes) -> sigv4.Request:
    raw_path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    return sigv4.Request(scope["method"], raw_path, query, headers, body)


def _joined(scope: Scope) -> dict[str, str]:
    """Each header once, values in their order joined by commas, as they are signed."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _first(scope: Scope, header: bytes) -> str | None:
    """What is understood of a header that should come once: a second one breaks the signature, not the first."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == header), None)


async def _body(receive: Receive, held: AsyncExitStack, large: anyio.CapacityLimiter) -> bytes:
    """Read the body; a large one takes one of a few places and keeps it in `held`: whose it is is not known yet."""
    chunks, size, is_more, is_large = [], 0, True, False
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            while is_more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > BODY_BYTES_MAX:
                    raise RequestEntityTooLargeException(f"The body is longer than {BODY_BYTES_MAX} bytes.")
                if size > SMALL_BODY_BYTES and not is_large:
                    await held.enter_async_context(large)
                    is_large = True
                chunks.append(chunk)
                is_more = message.get("more_body", False)
    except TimeoutError:
        raise SerializationException(f"The body did not arrive within {BODY_SECONDS_MAX:.0f} s.") from None
    return b"".join(chunks)


def _check_origin(server: Server, headers: Mapping[str, str]) -> None:
    host = headers.get("host", "")
    if server.hosts and _name(host) not in server.hosts:
        raise ForbiddenException(
            f"The host name '{host[:256]}' is not one of this service's: {', '.join(sorted(server.hosts))}."
        )
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host:
        raise ForbiddenException(f"Requests from pages of '{origin[:256]}' are refused.")


def _name(host: str) -> str:
    """The host without its port: `[::1]:8580` is `[::1]`."""
    name, bracket, _ = host.partition("]")
    return (name + bracket if bracket else host.partition(":")[0]).lower()


def _probes(server: Server) -> Probes:
    return Probes(
        server.version, dict, server.health, server.metrics_token, server.is_open_without_keys, server.metrics
    )


def _guarded(server: Server, answer: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        _check_origin(server, request.headers)
        return await answer(request)

    return refusing(guarded)


class _Guarded:
    """An application that is asked only under our own names and from our own pages."""

    def __init__(self, server: Server, application: ASGIApp) -> None:
        self._server, self._application = server, application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            _check_origin(self._server, Headers(scope=scope))
        except ForbiddenException as error:
            refused = Response(protocol.error_body(error), status_code=error.http_status, media_type="application/json")
            await refused(scope, receive, send)
        else:
            await self._application(scope, receive, send)


async def _not_here(request: Request, error: Exception) -> Response:
    """404 and 405: a small answer for whoever looks with a browser or took a wrong endpoint."""
    assert isinstance(error, HTTPException)
    asked = f"{request.method[:16]} {request.scope['path'][:256]}"
    sentence = f"{asked}: the API is POST /; GET /healthz, /readyz and /metrics are here too."
    return JSONResponse({"message": sentence}, status_code=error.status_code, headers=error.headers)
