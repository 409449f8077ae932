"""A service of ours on a clock that a fixture sets. The one module here that imports what is judged."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from openlookout.app.service import running
from openlookout.clock import ManualClock
from openlookout.settings import Settings
from openlookout.wire.server import create_app
from served import served


@contextmanager
def running_in_time(data: Path, start: datetime) -> Iterator[tuple[int, Callable[[datetime], None]]]:
    """Serve; give the port, and what sets the clock."""
    clock = ManualClock(start)
    with running(Settings(data=data, workers=1), clock) as service, served(create_app(service.server)) as port:
        yield port, clock.set
