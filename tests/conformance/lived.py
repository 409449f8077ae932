"""A scheduler that has run: executions with and without a file, events of a fault, results in the bucket."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from conformance.endpoint import Endpoint
from conformance.plant import BUCKET, N_ROWS, START, STEP, Plant, plant_on, readings, scheduler, until, write

HOUR = timedelta(hours=1)
# A full hour; in the rows that follow lie two faults, from 600 to 615 and from 630 to 650.
LIVE_START = START + 594 * STEP
N_HOURS = 12
# A run takes names from an hour before its own to one after it: the first of these hours has no rows, the others no file.
HOURS_WITHOUT_FILE = (9, 10, 11)


@dataclass(frozen=True)
class Lived:
    """`name`: of the scheduler. `bucket`: the folder of its bucket."""

    endpoint: Endpoint
    plant: Plant
    name: str
    bucket: Path


def live_on(endpoint: Endpoint, buckets: Path, set_clock: Callable[[datetime], None]) -> Lived:
    """Set a plant up, and let a scheduler run for some hours."""
    plant = plant_on(endpoint, buckets)
    header, *rows = readings(N_ROWS).splitlines()
    for hour in range(N_HOURS):
        if hour not in HOURS_WITHOUT_FILE:
            first = 594 + hour * 6
            name = f"in/pump_{LIVE_START + hour * HOUR:%Y%m%d%H%M%S}.csv"
            write(buckets, name, "\n".join([header, *rows[first : first + 6]]) + "\n")
    name = f"{plant.mark}-lived"
    endpoint.done("CreateInferenceScheduler", **scheduler(plant.spare, name))
    set_clock(LIVE_START + N_HOURS * HOUR + timedelta(seconds=1))

    def is_done() -> bool:
        rows = endpoint.done("ListInferenceExecutions", InferenceSchedulerName=name)["InferenceExecutionSummaries"]
        return len(rows) >= N_HOURS and all(row["Status"] != "IN_PROGRESS" for row in rows)

    until(is_done, f"{N_HOURS} executions")
    return Lived(endpoint, plant, name, buckets / BUCKET)
