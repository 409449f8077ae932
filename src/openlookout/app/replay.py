"""The command `openlookout replay`: asks for a replay, lets it be done, and tells how it goes."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime

from openlookout.app.folder import emptied, locked
from openlookout.app.foundation import Foundation, check_buckets, opened
from openlookout.app.refused import StartRefused
from openlookout.app.worker import working
from openlookout.jobs.replay_request import ReplayRefused, Told, find_scheduler, request_replay, told
from openlookout.settings import Settings

LOOK_SECONDS = 0.2


def replay(settings: Settings, scheduler: str, span: tuple[datetime, datetime], tell: Callable[[Told], None]) -> Told:
    """Score the windows of a scheduler that touch a span of time, and give what came of it.

    A service that runs on the data folder does the work; without one this process does, and then ends. `tell` hears now
    and then how far it is.

    Raises:
        ReplayRefused: there is no such scheduler, or the span is none.
        StartRefused: the service's own bucket cannot be used.
    """
    if span[1] <= span[0]:
        raise ReplayRefused(f"the end {span[1].isoformat()} must be later than the start {span[0].isoformat()}")
    with ExitStack() as stack:
        foundation = stack.enter_context(opened(settings))
        check_buckets(foundation.buckets)
        identity = _request(foundation, scheduler, span)
        try:
            stack.enter_context(locked(settings.data))
        except StartRefused:
            pass  # A service runs there, and sees the job within a moment.
        else:
            stack.enter_context(working(foundation, emptied(settings.data / "scratch")))
        while (now := told(foundation.database, identity)).status == "IN_PROGRESS":
            tell(now)
            time.sleep(LOOK_SECONDS)
        return now


def replaying(settings: Settings) -> Callable[[str, tuple[datetime, datetime]], str]:
    """Give what replays a scheduler of the installation and tells what came of it in a sentence."""

    def run(scheduler: str, span: tuple[datetime, datetime]) -> str:
        try:
            return sentence(scheduler, replay(settings, scheduler, span, lambda _: None))
        except ReplayRefused as error:
            return f"{scheduler} was not replayed: {error}"

    return run


def sentence(scheduler: str, came: Told) -> str:
    """What came of a replay, for people."""
    if came.status != "SUCCESS":
        return f"the replay of {scheduler} failed: {came.failed_reason}"
    counts = came.counts
    return (
        f"Scored {counts['n_scored']:,} windows of {scheduler}: {counts['n_revised']:,} results corrected, "
        f"{counts['n_failed']:,} windows have input that cannot be read"
    )


def _request(foundation: Foundation, scheduler: str, span: tuple[datetime, datetime]) -> str:
    settings, now = foundation.settings, foundation.clock.now()
    with foundation.database.writing() as connection:
        scheduler_id = find_scheduler(connection, settings.account, settings.region, scheduler)
        return request_replay(connection, foundation.queue, scheduler_id, span, origin="COMMAND", now=now)
