"""One of many APIs, with the console: answers on PostgreSQL what any worker does."""

from collections.abc import Callable

from openlookout.app.api import api_server, bind, check_keys, serve
from openlookout.app.console import with_console
from openlookout.app.folder import own_scratch
from openlookout.app.foundation import opened
from openlookout.clock import Clock
from openlookout.settings import Settings
from openlookout.wire.server import create_app


def run_api(settings: Settings, say: Callable[[int], None], clock: Clock | None = None) -> None:
    """Be one of many APIs, until SIGINT or SIGTERM; `say` is told the port.

    Raises:
        StartRefused: the database, its tables or the address do not do.
    """
    with opened(settings, clock, is_one_of_many=True) as foundation, own_scratch(settings.data) as scratch:
        check_keys(settings, foundation.database)
        with (
            with_console(foundation, api_server(foundation), scratch) as server,
            bind(settings.host, settings.port) as listening,
        ):
            say(listening.getsockname()[1])
            serve(create_app(server), listening)
