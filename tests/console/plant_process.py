"""The whole service in a process of its own, on a clock that the tests set: one process has one job engine.

python plant_process.py DATA START: prints its port; each line of its standard input is a time that the clock is set to.
"""

import os
import sys
from datetime import datetime
from pathlib import Path

from openlookout.app.service import running
from openlookout.clock import ManualClock
from openlookout.settings import Settings
from openlookout.wire.server import create_app
from served import served


def main() -> None:
    clock = ManualClock(datetime.fromisoformat(sys.argv[2]))
    with running(Settings(data=Path(sys.argv[1])), clock) as service, served(create_app(service.server)) as port:
        print(port, flush=True)
        for line in sys.stdin:
            clock.set(datetime.fromisoformat(line.strip()))
            print("set", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
