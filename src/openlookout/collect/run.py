"""A collection as it runs: sources into the spool, windows out of it, until it is told to stop."""

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from openlookout.collect.errors import SpoolUnavailable
from openlookout.collect.keeper import Keeper
from openlookout.collect.spool import Spool
from openlookout.collect.target import Target, Writer
from openlookout.collect.upload import upload
from openlookout.logs import logger

ROUND_SECONDS = 1.0

log = logger(__name__)


class Source(Protocol):
    """What readings come from."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Pace:
    """`settle_us`: how long after its end a window is waited for. `hold_us`: how often what holds is told again."""

    settle_us: int = 5_000_000
    hold_us: int = 60_000_000


@dataclass(frozen=True)
class Collection:
    """Everything that is needed, made and checked."""

    target: Target
    spool: Path
    buckets: Writer
    pace: Pace


def open_keeper(collection: Collection) -> Keeper:
    """Open the spool for the sources."""
    return Keeper(Spool(collection.spool, collection.target.window_us))


def run(collection: Collection, keeper: Keeper, sources: Sequence[Source], stopping: threading.Event) -> None:
    """Collect until `stopping` is set."""
    target, pace = collection.target, collection.pace
    with ExitStack() as stack:
        stack.callback(keeper.spool.close)
        for source in sources:
            source.start()
            stack.callback(source.stop)
        held_at = keeper.now_us()
        while not stopping.wait(ROUND_SECONDS):
            now_us = keeper.now_us()
            boundary = now_us // target.window_us * target.window_us
            try:
                # At the end of each window too: a sensor that did not change in it has its reading there.
                if held_at < boundary:
                    keeper.tell_held(boundary)
                if held_at < boundary or now_us - held_at >= pace.hold_us:
                    keeper.tell_held(now_us)
                    held_at = now_us
                n_written = upload(keeper.spool, target, collection.buckets, now_us, pace.settle_us)
            except SpoolUnavailable as error:
                log.warning("tried again in a moment", scheduler=target.scheduler, reason=str(error))
                continue
            if n_written:
                log.info("uploaded", scheduler=target.scheduler, files=n_written)
