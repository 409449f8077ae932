"""The whole service in one process: the API, the console, the workers and the tickers on one data folder."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from openlookout.app.api import api_server
from openlookout.app.console import with_console
from openlookout.app.folder import emptied, locked
from openlookout.app.foundation import check_buckets, opened
from openlookout.app.worker import working
from openlookout.clock import Clock
from openlookout.settings import Settings
from openlookout.store.database import Database
from openlookout.wire.server import Server


@dataclass(frozen=True)
class Service:
    """A running service, except for its socket."""

    settings: Settings
    database: Database
    server: Server


@contextmanager
def running(settings: Settings, clock: Clock | None = None) -> Iterator[Service]:
    """Run workers and ticker on the data folder; give what answers requests. Stops them at the end.

    Raises:
        StartRefused: another process has the folder.
    """
    with ExitStack() as stack:
        settings.data.mkdir(parents=True, exist_ok=True)
        stack.enter_context(locked(settings.data))
        foundation = stack.enter_context(opened(settings, clock))
        check_buckets(foundation.buckets)
        scratch = emptied(settings.data / "scratch")
        stack.enter_context(working(foundation, scratch))
        server = stack.enter_context(with_console(foundation, api_server(foundation), scratch))
        yield Service(settings, foundation.database, server)
