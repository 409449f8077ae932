"""The console beside the API: built over the same operations, and over views with children of their own."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from openlookout.api.caller import Caller
from openlookout.api.definition import definition
from openlookout.api.service_error import ServiceError
from openlookout.app.alert_desk import AlertDesk
from openlookout.app.console_service import ConsoleService
from openlookout.app.foundation import Foundation
from openlookout.app.what_ifs import WhatIfs
from openlookout.console import rendering
from openlookout.console.application import create_console
from openlookout.console.ports import Call, Console
from openlookout.operations.tokens import InvalidToken, Tokens
from openlookout.views.models import ModelViews
from openlookout.views.port import Views
from openlookout.wire import protocol
from openlookout.wire.answers import compile_answers
from openlookout.wire.server import VALIDATORS, Server

ANSWERS = compile_answers(definition())


@contextmanager
def with_console(foundation: Foundation, server: Server, scratch: str) -> Iterator[Server]:
    """Give the server with the console's pages; `scratch` is a folder of this process alone."""
    views = Views(foundation.database, foundation.buckets, scratch)
    try:
        console = Console(
            call=_validating(server),
            keys=server.keys,
            seals=_Seals(Tokens.of(foundation.database)),
            views=views,
            what_ifs=WhatIfs(foundation, views.in_child),
            alerts=AlertDesk(foundation.database, foundation.clock, foundation.settings.console_url),
            models=ModelViews(foundation.database, foundation.buckets, views.in_child, foundation.bucket_owners),
            service=ConsoleService(foundation, server),
            clock=foundation.clock,
            account=server.account,
            region=server.region,
            version=server.version,
            is_open_without_keys=server.is_open_without_keys,
        )
        yield replace(server, pages=create_console(console))
    finally:
        views.close()


def prepare_pages() -> None:
    """Make the pages ready beside what else a start does: the first visitor of a new service waits for none of it."""
    threading.Thread(target=rendering.prepare, name="pages", daemon=True).start()


def _validating(server: Server) -> Call:
    """Let requests and answers of the console pass the gates of the wire's, and refusals be recorded as theirs."""

    def call(name: str, caller: Caller, request: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            valid = VALIDATORS[name](protocol.parse(protocol.serialise(request)))
            answer = server.dispatch(name, caller, valid)
        except ServiceError as error:
            server.refused(name, caller, request, error)
            raise
        read: Mapping[str, Any] = ANSWERS[name](protocol.parse(protocol.serialise(answer)))
        return read

    return call


@dataclass(frozen=True)
class _Seals:
    """The seal of page tokens, for cookies and forms: another scope each."""

    tokens: Tokens

    def seal(self, values: Sequence[str | int], scope: str) -> str:
        return self.tokens.seal(values, scope)

    def open(self, sealed: str, scope: str) -> list[str | int]:
        try:
            return self.tokens.open(sealed, scope)
        except InvalidToken:
            raise ValueError("the seal is not ours") from None
