"""Clocks of devices: one that is off is named, for its readings come into the wrong windows. Pure.

A device is off when all its last readings came from one side: each later than the tolerance after the time that it
gives, or each before it. A few that come late (a line that was down) are no clock.
"""

from collections import deque
from dataclasses import dataclass, field

TOLERANCE_US = 5 * 60 * 1_000_000
LOOKED_AT = 10


@dataclass
class Clocks:
    """What is known of each device; `seen` gives a sentence when there is something to say, and says it once."""

    _ages: dict[str, deque[int]] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)

    def seen(self, device: str, time_us: int, now_us: int) -> str | None:
        """Note that a reading of `time_us` came at `now_us`; give the sentence of a clock that is newly off."""
        ages = self._ages.setdefault(device, deque(maxlen=LOOKED_AT))
        ages.append(now_us - time_us)
        if len(ages) < LOOKED_AT:
            return None
        least, most = min(ages), max(ages)
        if least > TOLERANCE_US:
            said = f"behind ours by {_span(least)}"
        elif most < -TOLERANCE_US:
            said = f"ahead of ours by {_span(-most)}"
        else:
            self._told.pop(device, None)
            return None
        side = said[:6]
        if self._told.get(device) == side:
            return None
        self._told[device] = side
        return f"the clock of {device} is {said}, or its readings come that late; they keep the times that it gives"


def _span(us: int) -> str:
    minutes = round(us / 60e6)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
