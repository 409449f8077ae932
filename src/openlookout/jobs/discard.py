"""Discarding: the objects of a deleted dataset, model or scheduler. Its identity is the prefix of their keys."""

from openlookout.buckets.buckets import SERVICE, open_buckets
from openlookout.jobs.engine import Steps
from openlookout.jobs.workplace import Workplace, log, retried


class Discard:
    """The job behind every Delete operation whose resource has objects."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def run(self, steps: Steps, identity: str) -> None:
        steps.run("delete", self._delete, identity)

    @retried
    def _delete(self, prefix: str) -> None:
        open_buckets(self._workplace.buckets).delete_prefix(SERVICE, f"{prefix}/")

    def abandon(self, identity: str, reason: str, attempt: int | None) -> None:  # noqa: ARG002  # It has no row.
        log.warning("objects of a deleted resource are left", prefix=identity, reason=reason)

    def forgive(self, identity: str) -> None:
        """Deleting counts no attempts."""
