"""What every source hands its readings to: the spool, the clocks, and the last value of what reports by exception."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from openlookout.collect.clocks import Clocks
from openlookout.collect.spool import Spool, as_readings
from openlookout.logs import logger

Value = tuple[str, int, float | None]
"""Full name of a sensor, microseconds since the epoch, reading."""

log = logger(__name__)


@dataclass(frozen=True)
class Taken:
    """Readings of one source. `is_live`: their times tell of its clock. `holds`: a value holds until the next, for the
    source tells only what changes. `is_away`: the source said goodbye instead.
    """

    source: str
    values: Sequence[Value] = ()
    is_live: bool = True
    holds: bool = False
    is_away: bool = False


def system_now_us() -> int:
    return time.time_ns() // 1000


@dataclass
class Keeper:
    """Shared by all sources; threads may call it."""

    spool: Spool
    now_us: Callable[[], int] = system_now_us
    _clocks: Clocks = field(default_factory=Clocks)
    _last: dict[str, dict[str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, taken: Sequence["Taken"]) -> None:
        """Keep readings, in their order; on disk, all or none, when this returns.

        Raises:
            SpoolUnavailable: they are not kept.
        """
        self.spool.add(as_readings([value for one in taken for value in one.values]))
        for one in taken:
            self._note(one)

    def _note(self, one: "Taken") -> None:
        with self._lock:
            if one.is_away:
                self._release(one.source)
                return
            if one.holds:
                self._hold(one.source, one.values)
            said = None
            if one.values and one.is_live:
                said = self._clocks.seen(one.source, max(at for _, at, _ in one.values), self.now_us())
        if said is not None:
            log.warning(said)

    def _hold(self, source: str, values: Sequence[Value]) -> None:
        last = self._last.setdefault(source, {})
        for name, _, value in values:
            if value is None:
                last.pop(name, None)
            else:
                last[name] = value

    def release(self, source: str) -> None:
        """A source is away, with all whose name begins with its: what they said last holds no longer."""
        with self._lock:
            self._release(source)

    def _release(self, source: str) -> None:
        for name in [name for name in self._last if name.startswith(source)]:
            del self._last[name]

    def tell_held(self, at_us: int) -> None:
        """Keep what holds now as readings of a time: a value that does not change is a reading too."""
        with self._lock:
            held = [(name, at_us, value) for last in self._last.values() for name, value in last.items()]
        self.spool.add(as_readings(held))
