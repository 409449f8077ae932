"""One request for a page: who looks, what was sent, the operations, and the answer.

A page is a function `(visit, **path) -> Response`, registered with `@page`. It runs in a thread of its own.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from openlookout.api.caller import Caller
from openlookout.api.service_error import ServiceError
from openlookout.console import sessions
from openlookout.console.ports import Console
from openlookout.console.rendering import ENVIRONMENT, advice
from openlookout.console.sessions import Session

NOTICE = "console-notice"  # What the cookie of a notice is sealed for.
LISTED_MAX = 10_000  # Of one list on one page.


@dataclass(frozen=True)
class Notice:
    """A sentence that the next page shows once: something was done, or was refused."""

    text: str
    is_refusal: bool = False


@dataclass
class Visit:
    """`form` holds what was posted; `refused` is what an operation did not do, shown on the page that tried it."""

    console: Console
    request: Request
    session: Session
    form: QueryParams
    notice: Notice | None = None
    refused: ServiceError | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def query(self) -> QueryParams:
        return self.request.query_params

    @property
    def is_post(self) -> bool:
        return self.request.method == "POST"

    @property
    def caller(self) -> Caller:
        key = self.session.key
        if key is None:
            return Caller(self.console.account, self.session.region, self.request_id)
        return Caller(key.account, self.session.region, self.request_id, key.id, key.is_read_only)

    @property
    def may_change(self) -> bool:
        return not self.caller.is_read_only

    def query_number(self, name: str, default: int) -> int:
        """A whole number of the address; what is none is the default."""
        text = self.query.get(name, "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else default

    @property
    def client_token(self) -> str:
        """What makes a form that is sent twice one request: each form carries a fresh one."""
        return self.form.get("client_token") or str(uuid.uuid4())

    def now(self) -> datetime:
        return self.console.clock.now()

    def call(self, operation: str, **request: Any) -> Mapping[str, Any]:
        """Carry out an operation of the API; members that are None are not sent.

        Raises:
            ServiceError: as the operation does; the page becomes one that says what to do.
        """
        sent = {member: value for member, value in request.items() if value is not None}
        return self.console.call(operation, self.caller, sent)

    def listed(self, operation: str, **request: Any) -> Iterator[Mapping[str, Any]]:
        """Give the items of a List operation, page after page, at most LISTED_MAX."""
        token, n = None, 0
        while n < LISTED_MAX:
            answer = self.call(operation, NextToken=token, **request)
            items = next(value for member, value in answer.items() if isinstance(value, list))
            yield from items
            n += len(items)
            token = answer.get("NextToken")
            if token is None:
                return

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Let an operation be refused: the page goes on below and shows why."""
        try:
            yield
        except ServiceError as error:
            self.refused = error

    def render(self, template: str, status: int = 200, **values: Any) -> Response:
        """Give a page."""
        html = ENVIRONMENT.get_template(template).render(
            visit=self,
            csrf=sessions.form_token(self.session, self.console.seals),
            fresh_token=str(uuid.uuid4()),
            now=self.now(),
            refused=self.refused,
            advice=None if self.refused is None else advice(self.refused),
            **values,
        )
        return HTMLResponse(html, 400 if self.refused is not None and status == 200 else status)

    def figure(self, figure: Mapping[str, Any]) -> Response:
        """Give what a chart shows; see `console/charts.py`."""
        return JSONResponse(figure)

    def go(self, path: str, notice: Notice | str | None = None, **query: str) -> Response:
        """Send the browser to a page of ours after a change, with a sentence to show there."""
        notice = Notice(notice) if isinstance(notice, str) else notice
        response = RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)
        if notice is not None:
            seal = self.console.seals.seal([self.session.id, int(notice.is_refusal), notice.text[:1000]], NOTICE)
            response.set_cookie(self.cookie("notice"), seal, max_age=60, httponly=True, samesite="lax")
        return response

    def act(self, operation: str, back: str, done: str, **request: Any) -> Response:
        """Carry out what a button asks for and go to a page, which shows the sentence or what was refused."""
        try:
            self.call(operation, **request)
        except ServiceError as error:
            return self.go(back, Notice(f"{error.message} {advice(error)}", is_refusal=True))
        return self.go(back, done)

    def cookie(self, name: str) -> str:
        """A cookie's name: the port is in it, since cookies do not tell ports apart."""
        return f"openlookout_{name}_{self.request.url.port or self.request.url.scheme}"


@dataclass(frozen=True)
class Page:
    path: str
    methods: Sequence[str]
    function: Callable[..., Response]
    is_public: bool


PAGES: list[Page] = []


def page(
    path: str, methods: Sequence[str] = ("GET",), *, is_public: bool = False
) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Register a page; parameters of the path become arguments. `is_public`: shown without signing in."""

    def register(function: Callable[..., Response]) -> Callable[..., Response]:
        PAGES.append(Page(path, methods, function, is_public))
        return function

    return register
