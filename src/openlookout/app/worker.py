"""Workers and tickers as a process runs them: every kind of job, the queues, and what happens again and again."""

import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from openlookout.alerts import delivery, silence
from openlookout.app.foundation import Foundation
from openlookout.clock import SystemClock
from openlookout.jobs.apply_limit import ApplyLimit
from openlookout.jobs.children import Children
from openlookout.jobs.discard import Discard
from openlookout.jobs.engine import Job, Queue, Worker
from openlookout.jobs.infer import Infer
from openlookout.jobs.ingest import Ingest
from openlookout.jobs.late import LOOK_SECONDS as LATE_LOOK_SECONDS
from openlookout.jobs.late import LateFiles
from openlookout.jobs.liveness import BEAT_SECONDS, Liveness, new_executor
from openlookout.jobs.replay import Replay
from openlookout.jobs.retention import LOOK_SECONDS, forget_ended, forget_old_scores, forget_tokens
from openlookout.jobs.retraining_ticker import TICK_SECONDS as RETRAINING_TICK_SECONDS
from openlookout.jobs.retraining_ticker import RetrainingTicker
from openlookout.jobs.rounds import Rounds
from openlookout.jobs.ticker import TICK_SECONDS, Ticker
from openlookout.jobs.train import Train
from openlookout.jobs.transfer import ImportDataset, ImportVersion
from openlookout.jobs.unfinished import LOOK_SECONDS as UNFINISHED_LOOK_SECONDS
from openlookout.jobs.unfinished import Unfinished
from openlookout.jobs.what_if import WhatIf
from openlookout.jobs.workplace import Workplace
from openlookout.logs import logger

SHUTDOWN_SECONDS = 10
INFERENCES_MIN = 16

log = logger(__name__)


@dataclass(frozen=True)
class Working:
    """What runs in a worker's process: its jobs, and the rounds that show whether it is well."""

    worker: Worker
    liveness: Rounds


@contextmanager
def working(
    foundation: Foundation, scratch: str, only: Collection[str] = (), *, beat_seconds: float = BEAT_SECONDS
) -> Iterator[Working]:
    """Run jobs and tick until the end; `scratch` is a folder of this process alone, `only` the queues, empty: all."""
    database, queue, clock = foundation.database, foundation.queue, foundation.clock
    with ExitStack() as stack:
        n_children = foundation.settings.workers or os.cpu_count() or 1
        children = Children(n_children)
        late = timedelta(hours=foundation.settings.late_hours)
        workplace = Workplace(
            database,
            foundation.buckets,
            scratch,
            children,
            queue,
            clock,
            foundation.limits,
            late,
            is_parquet_wanted=foundation.settings.results_parquet == "yes",
            scores_kept_for=timedelta(days=foundation.settings.score_days),
        )
        mine = [each for each in queues(n_children) if not only or each.name in only]
        worker = Worker(database, queue, jobs(workplace), mine, new_executor())
        name, alone = worker.executor, database.is_sqlite
        liveness = Liveness(database, queue, clock, name, worker.is_running, is_alone=alone, beat_seconds=beat_seconds)
        stack.callback(_leave, worker, liveness)
        stack.callback(children.close)
        worker.start()
        stack.callback(worker.stop, SHUTDOWN_SECONDS)
        liveness.join()
        hours = foundation.settings.token_hours
        alerts = delivery.Delivery(database, SystemClock(), foundation.settings.console_url)
        stack.callback(alerts.close)
        again_and_again = (
            Rounds("liveness", beat_seconds, liveness.round),
            Rounds("ticker", TICK_SECONDS, Ticker(database, queue, clock).tick),
            Rounds("late", LATE_LOOK_SECONDS, LateFiles(workplace).look),
            Rounds("retraining", RETRAINING_TICK_SECONDS, RetrainingTicker(database, queue, clock).tick),
            Rounds("unfinished", UNFINISHED_LOOK_SECONDS, Unfinished(database, queue).look),
            Rounds("tokens", LOOK_SECONDS, partial(forget_tokens, database, clock, hours)),
            Rounds("retention", LOOK_SECONDS, partial(forget_ended, queue)),
            Rounds("alerts", delivery.LOOK_SECONDS, alerts.round),
            Rounds("silence", silence.LOOK_SECONDS, partial(silence.tell_silences, database, clock)),
            Rounds("scores", LOOK_SECONDS, partial(forget_old_scores, database, clock, foundation.settings.score_days)),
            Rounds("old alerts", LOOK_SECONDS, partial(delivery.forget_old, database, clock)),
        )
        for rounds in again_and_again:
            rounds.start()
            stack.callback(rounds.stop)
        yield Working(worker, again_and_again[0])


def _leave(worker: Worker, liveness: Liveness) -> None:
    """Give back what is left, so that others need not find out; if the database is away, they will."""
    try:
        worker.leave()
        liveness.leave()
    except SQLAlchemyError as error:
        log.warning("the jobs that were left are taken up when others miss this worker", error=str(error)[:300])


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
        "what-if": WhatIf(workplace),
        "apply-limit": ApplyLimit(workplace),
    }


def queues(n_children: int) -> tuple[Queue, ...]:
    """Every queue, and how many of its jobs one process runs at once."""
    return (
        Queue("ingest", 1),
        Queue("train", 1),
        # More than are computed at once: a look into the queue fetches work until the next look.
        Queue("infer", max(INFERENCES_MIN, 8 * n_children)),
        Queue("replay", 1),
        Queue("discard", 1),
        Queue("import-dataset", 1),
        Queue("import-version", 1),
        Queue("what-if", 1),
        Queue("apply-limit", 1),
    )
