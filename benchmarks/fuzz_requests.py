"""Fuzzed requests in great number: no answer of 500 or more, no hang, bounded memory.

    python benchmarks/fuzz_requests.py [requests] [seed]

Prints a line every ten thousand requests, and at the end outcomes, the slowest request and the growth of memory; ends
with 1 if there was a fault. A request that takes two minutes ends it with a traceback. The same seed sends the same.
"""

import faulthandler
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from hostile.fuzzing import Report, fuzz
from openlookout.logs import configure_logs
from openlookout.operations.operation import OPERATIONS
from openlookout.wire import server

HANG_SECONDS = 120
GROWTH_BYTES_MAX = 500 * 2**20


def resident() -> int:
    """The memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def at_once(_api, function, *arguments):
    """Carry a request out in the thread of the loop: where requests come one at a time, a hop is only time."""
    return function(*arguments)


def main() -> int:
    server._Api._in_thread = at_once
    n_requests = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    started, sizes = time.monotonic(), [0]
    configure_logs("json", "error")

    def watch(report: Report) -> None:
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        if report.n_requests % 10_000:
            return
        sizes.append(resident())
        rate = report.n_requests / (time.monotonic() - started)
        print(
            f"{report.n_requests:>9,} requests, {rate:.0f}/s, {len(report.faults)} faults, "
            f"{sizes[-1] / 2**20:.0f} MiB, slowest {report.slowest_seconds:.2f} s",
            flush=True,
        )

    report = fuzz(n_requests, number, watch=watch)
    faulthandler.cancel_dump_traceback_later()
    for outcome, n in report.outcomes.most_common():
        print(f"{n:>9,} {outcome}")
    never = sorted(set(OPERATIONS) - set(report.operations_ok))
    print(f"operations that were carried out: {len(report.operations_ok)} of {len(OPERATIONS)}; never: {never}")
    print(f"slowest: {report.slowest_seconds:.2f} s: {report.slowest}")
    growth = max(sizes[2:], default=0) - sizes[1] if len(sizes) > 2 else 0
    print(f"memory grew by {growth / 2**20:.0f} MiB after the first ten thousand")
    for fault in report.faults[:50]:
        print(fault)
    return 1 if report.faults or growth > GROWTH_BYTES_MAX else 0


if __name__ == "__main__":
    sys.exit(main())
