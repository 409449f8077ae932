"""How a process is: /healthz (it goes on), /readyz (it can do its work now), /metrics. Knows callables only."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import anyio.to_thread
from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openlookout.api.errors import ForbiddenException
from openlookout.metrics import REGISTRY
from openlookout.wire import protocol

Endpoint = Callable[[Request], Awaitable[Response]]
Checks = Callable[[], Mapping[str, str]]


@dataclass(frozen=True)
class Probes:
    """`alive` and `ready` give a word for each part, "ok" when it is well.

    `alive` is about this process alone: a database that is away must not get it killed. Metrics are shown to who sends
    the `metrics_token`; without one, where `is_open`: figures of all accounts are for whoever runs the service.
    `metrics` are shown beside those of this process.
    """

    version: str
    alive: Checks
    ready: Checks
    metrics_token: str = ""
    is_open: bool = True
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)


def probe_routes(probes: Probes, guard: Callable[[Endpoint], Endpoint]) -> list[Route]:
    """Give the routes; `guard` says who may ask."""
    return [
        Route("/healthz", guard(_said(probes.version, probes.alive)), methods=["GET"]),
        Route("/readyz", guard(_said(probes.version, probes.ready)), methods=["GET"]),
        Route("/metrics", guard(_metrics(probes)), methods=["GET"]),
    ]


def create_probes(probes: Probes) -> Starlette:
    """Give the ASGI application of a process that answers nothing else."""
    return Starlette(routes=probe_routes(probes, refusing))


def refusing(answer: Endpoint) -> Endpoint:
    """Let an endpoint answer its ForbiddenException as the API would."""

    async def refused(request: Request) -> Response:
        try:
            return await answer(request)
        except ForbiddenException as error:
            return Response(protocol.error_body(error), status_code=error.http_status, media_type="application/json")

    return refused


def _said(version: str, look: Checks) -> Endpoint:
    async def said(_request: Request) -> Response:
        checks = await anyio.to_thread.run_sync(look)
        is_well = all(word == "ok" for word in checks.values())
        answer = {"status": "ok" if is_well else "unwell", "version": version, "checks": dict(checks)}
        return JSONResponse(answer, status_code=200 if is_well else 503)

    return said


def _metrics(probes: Probes) -> Endpoint:
    async def metrics(request: Request) -> Response:
        _check_token(probes, request)
        shown = await anyio.to_thread.run_sync(_shown, probes.metrics)
        return Response(shown, media_type="text/plain; version=0.0.4")

    return metrics


def _check_token(probes: Probes, request: Request) -> None:
    if not probes.metrics_token:
        if probes.is_open:
            return
        raise ForbiddenException("Metrics are shown here when OPENLOOKOUT_METRICS_TOKEN is set, to who sends it.")
    sent = request.headers.get("authorization", "").encode("latin-1", "replace")
    if not hmac.compare_digest(sent, f"Bearer {probes.metrics_token}".encode()):
        raise ForbiddenException("Metrics are for who sends 'Authorization: Bearer' with OPENLOOKOUT_METRICS_TOKEN.")


def _shown(more: CollectorRegistry) -> bytes:
    return generate_latest(REGISTRY) + generate_latest(more)
