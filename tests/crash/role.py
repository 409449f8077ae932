"""One process of the service, for the simulation: `python -m crash.role api|worker`, on a clock that a file tells.

The same two functions as behind `openlookout api` and `openlookout worker`; only the clock and the beat differ.
"""

import os
import signal
import sys
from datetime import datetime
from pathlib import Path

from openlookout.app.api_process import run_api
from openlookout.app.refused import StartRefused
from openlookout.settings import read_settings

BEAT_SECONDS = 0.3  # A worker is thought dead after ten of them.


class FileClock:
    """A time that stands in a file, so that all processes of a simulation have the same one, and it may jump."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        return datetime.fromisoformat(self._path.read_text())


def set_clock(path: Path, to: datetime) -> None:
    """Set it in one step: a reader sees the old time or the new one."""
    beside = path.with_suffix(".new")
    beside.write_text(to.isoformat())
    beside.replace(path)


def say(words: object) -> None:
    print(f"ready {words}", flush=True)


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings, clock = read_settings({"port": 0}), FileClock(Path(os.environ["CRASH_CLOCK"]))
    try:
        if sys.argv[1] == "api":
            run_api(settings, say, clock)
        else:
            from openlookout.app.worker_process import run_worker  # noqa: PLC0415  # An API loads no numbers.

            run_worker(settings, (), say, clock, BEAT_SECONDS)
    except KeyboardInterrupt:
        pass
    except StartRefused as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
