"""Records of what the service changes by itself, for the audit log: how work ended, what was promoted and forgotten."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from openlookout.store.audit import SYSTEM, Entry, note
from openlookout.store.subjects import Subject, version_subject


@contextmanager
def recorded(
    connection: Connection, now: datetime, operation: str, job: str, subject: Callable[[], Subject | None]
) -> Iterator[None]:
    """Record what becomes of a subject meanwhile; nothing, if it stays as it was."""
    before = subject()
    yield
    after = subject()
    seen = after or before
    if seen is None or (before and before.state) == (after and after.state):
        return
    entry = Entry(
        at=now,
        account=seen.account,
        region=seen.region,
        principal=SYSTEM,
        operation=operation,
        resource=seen.arn,
        request_id=job,
        before=before and before.state,
        after=after and after.state,
    )
    note(connection, entry)


@contextmanager
def version_recorded(connection: Connection, now: datetime, operation: str, identity: str) -> Iterator[None]:
    """`recorded` for a model version; that it became the active one by it is a record of its own."""

    def subject() -> Subject | None:
        return version_subject(connection, identity)

    before = subject()
    with recorded(connection, now, operation, identity, subject):
        yield
    after = subject()
    if before is None or after is None or _active(before) == _active(after):
        return
    entry = Entry(
        at=now,
        account=after.account,
        region=after.region,
        principal=SYSTEM,
        operation="ActivateModelVersion",
        resource=after.arn,
        request_id=identity,
        before=_active(before),
        after=_active(after),
    )
    note(connection, entry)


def _active(subject: Subject) -> dict[str, Any]:
    assert subject.state is not None
    model = subject.state["model"]
    return {name: model[name] for name in ("active_version", "active_since", "previous_active_version")}
