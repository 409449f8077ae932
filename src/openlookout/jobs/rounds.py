"""A thread that does the same thing again and again until it is stopped: what the ticker and the retention run in."""

import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from openlookout.logs import logger

log = logger(__name__)


class Rounds:
    """Calls `work` every `seconds`. A database that does not answer just now is logged; the next round tries again."""

    def __init__(self, name: str, seconds: float, work: Callable[[], object]) -> None:
        self._name, self._seconds, self._work = name, seconds, work
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ended_at = time.monotonic()

    def start(self) -> None:
        self._thread.start()

    def seconds_since(self) -> float:
        """How long ago a round ended, well or not."""
        return time.monotonic() - self._ended_at

    def stop(self) -> None:
        """Stop after the round under way."""
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self._work()
            except SQLAlchemyError:
                log.exception("round failed", name=self._name)
            self._ended_at = time.monotonic()
