"""Workers and tickers as a process runs them: every kind of job, the queues, and what happens again and again."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial

from openlookout.app.foundation import Foundation
from openlookout.jobs.children import Children
from openlookout.jobs.discard import Discard
from openlookout.jobs.engine import Job, Queue, Worker
from openlookout.jobs.infer import Infer
from openlookout.jobs.ingest import Ingest
from openlookout.jobs.late import LOOK_SECONDS as LATE_LOOK_SECONDS
from openlookout.jobs.late import LateFiles
from openlookout.jobs.replay import Replay
from openlookout.jobs.retention import LOOK_SECONDS, forget_ended, forget_tokens
from openlookout.jobs.retraining_ticker import TICK_SECONDS as RETRAINING_TICK_SECONDS
from openlookout.jobs.retraining_ticker import RetrainingTicker
from openlookout.jobs.rounds import Rounds
from openlookout.jobs.ticker import TICK_SECONDS, Ticker
from openlookout.jobs.train import Train
from openlookout.jobs.transfer import ImportDataset, ImportVersion
from openlookout.jobs.workplace import Workplace

SHUTDOWN_SECONDS = 10


@contextmanager
def working(foundation: Foundation, scratch: str) -> Iterator[None]:
    """Run jobs and tick until the end; `scratch` is a folder of this process alone."""
    database, queue, clock = foundation.database, foundation.queue, foundation.clock
    with ExitStack() as stack:
        n_children = foundation.settings.workers or os.cpu_count() or 1
        children = Children(n_children)
        stack.callback(children.close)
        late = timedelta(hours=foundation.settings.late_hours)
        workplace = Workplace(database, foundation.buckets, scratch, children, queue, clock, foundation.limits, late)
        worker = Worker(database, jobs(workplace), queues(n_children))
        worker.start()
        stack.callback(worker.stop, SHUTDOWN_SECONDS)
        for rounds in (
            Rounds("ticker", TICK_SECONDS, Ticker(database, queue, clock).tick),
            Rounds("late", LATE_LOOK_SECONDS, LateFiles(workplace).look),
            Rounds("retraining", RETRAINING_TICK_SECONDS, RetrainingTicker(database, queue, clock).tick),
            Rounds("tokens", LOOK_SECONDS, partial(forget_tokens, database, clock, foundation.settings.token_hours)),
            Rounds("retention", LOOK_SECONDS, partial(forget_ended, queue)),
        ):
            rounds.start()
            stack.callback(rounds.stop)
        yield


def jobs(workplace: Workplace) -> dict[str, Job]:
    """Every kind of job, by its name."""
    return {
        "ingest": Ingest(workplace),
        "train": Train(workplace),
        "infer": Infer(workplace),
        "replay": Replay(workplace),
        "discard": Discard(workplace),
        "import-dataset": ImportDataset(workplace),
        "import-version": ImportVersion(workplace),
    }


def queues(n_children: int) -> tuple[Queue, ...]:
    """Every queue, and how many of its jobs one process runs at once."""
    return (
        Queue("ingest", 1),
        Queue("train", 1),
        Queue("infer", n_children + 2),
        Queue("replay", 1),
        Queue("discard", 1),
        Queue("import-dataset", 1),
        Queue("import-version", 1),
    )
