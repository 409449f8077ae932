"""The console as an ASGI application: cookies, form tokens, sign-in, errors and security headers around the pages."""

from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote

import anyio.to_thread
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from openlookout.api.errors import (
    ForbiddenException,
    InternalServerException,
    RequestEntityTooLargeException,
)
from openlookout.api.service_error import ServiceError
from openlookout.console import sessions, static_files
from openlookout.console.pages import (
    alerts,
    datasets,
    events,
    labels,
    live,
    models,
    overview,
    resources,
    retraining,
    schedulers,
    service,
    sign_in,
    verdicts,
    versions,
    what_if,
    wizard,
)
from openlookout.console.ports import Console
from openlookout.console.visit import NOTICE, PAGES, Notice, Page, Visit
from openlookout.logs import logger

# Importing a module registers its pages.
ROOMS = (
    overview,
    datasets,
    wizard,
    models,
    versions,
    what_if,
    retraining,
    events,
    schedulers,
    live,
    verdicts,
    labels,
    alerts,
    resources,
    service,
    sign_in,
)

FORM_BYTES_MAX = 2 * 2**20
FIELDS_MAX = 10_000
THREADS_MAX = 16

# The hash is of nothing: Plotly adds an empty style element and fills it through the object model, which needs no more.
EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
HEADERS = {
    "content-security-policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' {EMPTY_STYLE}",
            "img-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
log = logger(__name__)


def create_console(console: Console) -> Starlette:
    """Give the console's ASGI application."""
    limiter = anyio.CapacityLimiter(THREADS_MAX)
    routes: list[BaseRoute] = [
        Route(one.path, _endpoint(console, one, limiter), methods=[*one.methods])
        for one in sorted(PAGES, key=lambda one: one.path.count("{"))  # `/x/edit` is not hidden by `/x/{action}`.
    ]
    routes.append(Route("/static/{version}/{name}", static_files.answer, methods=["GET"]))
    missing = Page("", (), _missing, is_public=False)
    application = Starlette(routes=routes, exception_handlers={404: _endpoint(console, missing, limiter)})
    application.router.redirect_slashes = False
    return application


def _endpoint(console: Console, page: Page, limiter: anyio.CapacityLimiter) -> Any:
    async def endpoint(request: Request, _error: Exception | None = None) -> Response:
        try:
            form = await _form(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except RequestEntityTooLargeException as error:
            return Response(error.message, error.http_status, media_type="text/plain")
        response: Response = await anyio.to_thread.run_sync(_answer, console, page, request, form, limiter=limiter)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("cache-control", "no-store")
        return response

    return endpoint


def _answer(console: Console, page: Page, request: Request, form: QueryParams) -> Response:
    visit = Visit(console, request, sessions.fresh(console.region), form)
    cookie = request.cookies.get(visit.cookie("session"))
    known = sessions.opened(cookie, console.seals, console.keys)
    visit.session = known or visit.session
    visit.notice = _notice(visit)
    response = _guarded(page, visit)
    if known is None or visit.session is not known:
        response.set_cookie(
            visit.cookie("session"),
            sessions.sealed(visit.session, console.seals),
            max_age=visit.session.seconds_left,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
    if visit.notice is not None and response.status_code == HTTPStatus.OK:
        response.delete_cookie(visit.cookie("notice"))
    return response


def _guarded(page: Page, visit: Visit) -> Response:
    """Let in who may enter, take forms of our own pages only, and turn what goes wrong into a page that helps."""
    try:
        if visit.is_post:
            _check_form(visit)
        if not page.is_public and not sessions.may_enter(visit.console, visit.session):
            return _ask_to_sign_in(visit)
        return page.function(visit, **visit.request.path_params)
    except ServiceError as error:
        return failed(visit, error)
    except Exception:
        log.exception("page failed", request_id=visit.request_id, path=visit.request.url.path)
        sentence = f"The service failed; its log tells why under the request {visit.request_id}."
        return failed(visit, InternalServerException(sentence))


def failed(visit: Visit, error: ServiceError) -> Response:
    """Give the page, or for a chart the JSON, of an error."""
    status = 404 if error.code == "ResourceNotFoundException" else error.http_status
    if "application/json" in visit.request.headers.get("accept", ""):
        return JSONResponse({"error": error.message}, status)
    visit.refused = error
    return visit.render("error.html", status)


def _check_form(visit: Visit) -> None:
    if not sessions.is_form_token(visit.form.get("csrf", ""), visit.session, visit.console.seals):
        raise ForbiddenException(
            "This form is not of the page that your session was shown: it is older than the session, or the browser "
            "keeps no cookies."
        )


def _ask_to_sign_in(visit: Visit) -> Response:
    if "application/json" in visit.request.headers.get("accept", ""):
        return JSONResponse({"error": "The session has ended: sign in again."}, 401)
    url = visit.request.url
    to = url.path + (f"?{url.query}" if url.query else "")
    return RedirectResponse(f"/sign-in?to={quote(to, safe='/')}" if not visit.is_post else "/sign-in", 303)


def _notice(visit: Visit) -> Notice | None:
    sealed = visit.request.cookies.get(visit.cookie("notice"))
    if sealed is None:
        return None
    try:
        identity, is_refusal, text = visit.console.seals.open(sealed, NOTICE)
    except ValueError:
        return None
    return Notice(str(text), bool(is_refusal)) if identity == visit.session.id else None


def _missing(visit: Visit) -> Response:
    return visit.render("missing.html", 404)


async def _form(request: Request) -> QueryParams:
    """The fields of a posted form; a body of another kind has none."""
    if request.method != "POST" or not request.headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    ):
        return QueryParams()
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > FORM_BYTES_MAX:
            raise RequestEntityTooLargeException(f"The form is longer than {FORM_BYTES_MAX} bytes.")
        chunks.append(chunk)
    text = b"".join(chunks).decode("utf-8", "replace")
    try:
        return QueryParams(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError:
        raise RequestEntityTooLargeException(f"The form has more than {FIELDS_MAX} fields.") from None
