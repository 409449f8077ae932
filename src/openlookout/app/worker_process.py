"""One of many workers: jobs and ticks on PostgreSQL, and a port for the probes."""

import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial

from openlookout.app.api import VERSION, bind, database_health, in_url, installation_gauges, is_loopback, serve
from openlookout.app.folder import own_scratch
from openlookout.app.foundation import check_buckets, opened
from openlookout.app.refused import StartRefused
from openlookout.app.worker import queues, working
from openlookout.clock import Clock
from openlookout.jobs.liveness import BEAT_SECONDS
from openlookout.jobs.rounds import Rounds
from openlookout.settings import Settings
from openlookout.wire.probes import Probes, create_probes

STUCK_SECONDS = 300.0


def run_worker(
    settings: Settings,
    only: Collection[str],
    say: Callable[[str], None],
    clock: Clock | None = None,
    beat_seconds: float = BEAT_SECONDS,
) -> None:
    """Be one of many workers, until SIGINT or SIGTERM; `say` is told when it works.

    Raises:
        StartRefused: the database, the tables or the buckets do not do, or there is no such queue.
    """
    unknown = sorted(set(only) - {queue.name for queue in queues(1)})
    if unknown:
        known = ", ".join(queue.name for queue in queues(1))
        raise StartRefused(f"there is no queue '{unknown[0]}'; there are {known}")
    with opened(settings, clock, is_one_of_many=True) as foundation, own_scratch(settings.data) as scratch:
        check_buckets(foundation.buckets)
        with working(foundation, scratch, only, beat_seconds=beat_seconds) as work:
            if not settings.probe_port:
                say("OpenLookout works")
                threading.Event().wait()
            probes = Probes(
                VERSION,
                partial(_alive, work.liveness),
                partial(database_health, foundation.database),
                settings.metrics_token,
                is_loopback(settings.host),
                installation_gauges(foundation),
            )
            with bind(settings.host, settings.probe_port) as listening:
                say(f"OpenLookout works, probes are on http://{in_url(settings.host)}:{listening.getsockname()[1]}")
                serve(create_probes(probes), listening)


def _alive(liveness: Rounds) -> Mapping[str, str]:
    seconds = liveness.seconds_since()
    return {"rounds": "ok" if seconds < STUCK_SECONDS else f"the last ended {seconds:.0f} s ago"}
