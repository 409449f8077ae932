"""The HTTP layer over an operation that answers what it was asked, with keys and without."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from openlookout.api.caller import AccessKey, Caller
from openlookout.wire.server import Server, create_app
from served import served

KEY = AccessKey("OLKAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "210987654321")
ACCOUNT, REGION = "123456789012", "us-east-1"

Operation = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
Call = tuple[str, Caller, Mapping[str, Any]]


@dataclass(frozen=True)
class FixedKeys:
    """Keys that never change."""

    keys: tuple[AccessKey, ...] = ()

    def find(self, key_id: str) -> AccessKey | None:
        return next((key for key in self.keys if key.id == key_id), None)

    def any(self) -> bool:
        return bool(self.keys)


@dataclass(frozen=True)
class Served:
    """A served HTTP layer: `calls` are what it dispatched, `refusals` what it told of. An operation answers {}, or what `answering` says."""

    port: int
    calls: list[Call]
    operations: dict[str, Operation]
    refusals: list[Any]

    @contextmanager
    def answering(self, name: str, operation: Operation) -> Iterator[None]:
        """Let an operation do something for a while."""
        self.operations[name] = operation
        yield
        del self.operations[name]


Serve = Callable[..., Served]


@pytest.fixture(scope="session")
def serve() -> Iterator[Serve]:
    """Serve the HTTP layer until the end of the session; options as of Server."""
    with ExitStack() as stack:

        def start(*keys: AccessKey, **options: Any) -> Served:
            calls: list[Call] = []
            refusals: list[Any] = []
            operations: dict[str, Operation] = {}

            def dispatch(name: str, caller: Caller, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
                calls.append((name, caller, request))
                return operations.get(name, lambda _: {})(request)

            server = Server(
                dispatch=dispatch,
                refused=lambda *told: refusals.append(told),
                keys=FixedKeys(keys),
                account=ACCOUNT,
                region=REGION,
                health=options.pop("health", lambda: {"database": "ok"}),
                version="1.2.3",
                hosts=options.pop("hosts", frozenset({"127.0.0.1", "localhost", "[::1]"})),
                **options,
            )
            return Served(stack.enter_context(served(create_app(server))), calls, operations, refusals)

        yield start


@pytest.fixture(scope="session")
def open_server(serve: Serve) -> Served:
    """Without keys: every request is let in."""
    return serve()


@pytest.fixture(scope="session")
def locked_server(serve: Serve) -> Served:
    """With one key: every request must be signed with it."""
    return serve(KEY)
