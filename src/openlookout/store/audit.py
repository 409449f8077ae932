"""The audit log: who changed what, when, from what into what. Append-only, each record chained to the one before.

A record is written in the transaction of the change that it tells of, as its last statement. Knows rows and hashes, and
not what an operation changes.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select, update

from openlookout.api.instants import to_microseconds
from openlookout.store.database import Database, at_the_end
from openlookout.store.service_tables import audit, audit_head

LOCAL = "local"  # Let in unsigned on a loopback address, or at the command line.
SYSTEM = "system"  # The service itself: jobs, tickers, retention.
OK = "ok"
FIRST_HASH = "0" * 64
TEXT_CHARACTERS_MAX = 1024  # Of one text of a request or state; a schema may have a million.
STATE_CHARACTERS_MAX = 16_384  # Of a whole request or state as JSON.
MESSAGE_CHARACTERS_MAX = 2048
RESOURCE_CHARACTERS_MAX = 512  # An index of PostgreSQL takes 2,700 bytes.
PAGE_MAX = 1000

_JSON_MEMBERS = ("request", "before", "after")
_CONTENT = ("account", "region", "principal", "operation", "resource", "request_id", "outcome", "message")


@dataclass(frozen=True)
class Entry:
    """One thing that was done, or refused. `outcome`: OK, or the error's code. `request_id`: or the job's.

    `request`, `before` and `after` are anything that JSON can say, and times; too long ones are cut to a digest.
    """

    at: datetime
    account: str
    region: str
    principal: str
    operation: str
    resource: str | None
    request_id: str
    outcome: str = OK
    message: str | None = None
    request: Any = None
    before: Any = None
    after: Any = None


@dataclass(frozen=True)
class Record:
    """An entry in its place. `request`, `before` and `after` are as JSON gives them back."""

    sequence: int
    at: datetime
    account: str
    region: str
    principal: str
    operation: str
    resource: str | None
    request_id: str
    outcome: str
    message: str | None
    request: Any
    before: Any
    after: Any
    previous: str
    hash: str

    def line(self) -> str:
        """The record as one line of JSON, from which `read_line` makes it again."""
        return json.dumps({**self.__dict__, "at": self.at.isoformat()})


class AuditBroken(Exception):
    """The log is not what was recorded; the message names the first record that shows it."""


def note(connection: Connection, entry: Entry) -> None:
    """Append an entry when the transaction ends well; without the commit there is no record either."""
    row = {
        "at": entry.at,
        "account": entry.account,
        "region": entry.region,
        "principal": _clean(entry.principal, 128),
        "operation": entry.operation,
        "resource": _clean(entry.resource, RESOURCE_CHARACTERS_MAX),
        "request_id": entry.request_id,
        "outcome": entry.outcome,
        "message": _clean(entry.message, MESSAGE_CHARACTERS_MAX),
        **{name: _bounded_text(getattr(entry, name)) for name in _JSON_MEMBERS},
    }
    at_the_end(connection, partial(_append, row))


def page(
    connection: Connection, account: str, region: str, *, before: int | None, limit: int, resource: str | None = None
) -> list[Record]:
    """Give records of an account in a region, newest first: those with a sequence below `before`, None from the newest.

    `resource`: of that ARN only, exactly. The next page is `before` the last record's sequence.
    """
    chosen = select(audit).where(audit.c.account == account, audit.c.region == region)
    if resource is not None:
        chosen = chosen.where(audit.c.resource == resource)
    if before is not None:
        chosen = chosen.where(audit.c.sequence < before)
    rows = connection.execute(chosen.order_by(audit.c.sequence.desc()).limit(min(limit, PAGE_MAX)))
    return [_record(row) for row in rows]


def records(database: Database, *, after: int = 0) -> Iterator[Record]:
    """Give all records of all accounts with a sequence above `after`, oldest first."""
    while True:
        with database.reading() as connection:
            rows = connection.execute(
                select(audit).where(audit.c.sequence > after).order_by(audit.c.sequence).limit(PAGE_MAX)
            ).all()
        yield from map(_record, rows)
        if len(rows) < PAGE_MAX:
            return
        after = rows[-1].sequence


def read_line(line: str) -> Record:
    """Give the record of an exported line.

    Raises:
        AuditBroken: it is none.
    """
    try:
        said = json.loads(line)
        return Record(**{**said, "at": datetime.fromisoformat(said["at"])})
    except (ValueError, TypeError, KeyError) as error:
        raise AuditBroken(f"a line is no record: {type(error).__name__}: {error}") from None


def read_noted(said: Sequence[str]) -> dict[int, str]:
    """Give the hashes by sequence of texts like `17:5f3c…`.

    Raises:
        ValueError: a text is none.
    """
    known = {}
    for text in said:
        sequence, _, noted = text.partition(":")
        if not sequence.isdigit() or re.fullmatch("[0-9a-f]{64}", noted) is None:
            message = f"'{text}' is not SEQUENCE:HASH, as 'openlookout audit verify' prints it"
            raise ValueError(message)
        known[int(sequence)] = noted
    return known


def verify(chain: Iterable[Record], known: Mapping[int, str] | None = None) -> tuple[int, str]:
    """Hold each record against its hash and the record before; give sequence and hash of the last.

    A chain may begin anywhere: an export of the newest records is one. `known`: hashes by sequence that were noted
    elsewhere; whoever rewrites the whole log can make a new chain, but not these.

    Raises:
        AuditBroken: a record was changed, added, taken away or moved, or a known one is missing or another.
    """
    sequence, last = 0, None
    missing = dict(known or {})
    for record in chain:
        if last is not None and record.sequence != sequence + 1:
            raise AuditBroken(f"after record {sequence} comes {record.sequence}: records are missing")
        expected = last if last is not None else (FIRST_HASH if record.sequence == 1 else record.previous)
        if record.previous != expected:
            raise AuditBroken(f"record {record.sequence} does not follow the record before it")
        if _hash_of(record) != record.hash:
            raise AuditBroken(f"record {record.sequence} is not as it was recorded")
        if missing.pop(record.sequence, record.hash) != record.hash:
            raise AuditBroken(f"record {record.sequence} is another than the one that was noted")
        sequence, last = record.sequence, record.hash
    if missing:
        raise AuditBroken(f"record {min(missing)}, which was noted, is missing")
    return sequence, last or FIRST_HASH


def verify_database(database: Database, known: Mapping[int, str] | None = None) -> tuple[int, str]:
    """`verify` for a whole log from its first record, held against the chain's end that the database keeps.

    Raises:
        AuditBroken: as `verify`; also when the first or last records are missing.
    """
    with database.reading() as connection:
        head = connection.execute(select(audit_head)).one()
    chain = records(database)
    first = next(chain, None)
    if first is None:
        sequence, last = verify((), known)
    elif first.sequence != 1:
        raise AuditBroken(f"the log begins with record {first.sequence}: earlier ones are missing")
    else:
        # A running service appends meanwhile: the head that was read first must be in the chain.
        sequence, last = verify(_before_rest(first, chain), {**(known or {}), head.sequence: head.hash})
    if sequence < head.sequence:
        raise AuditBroken(f"the log ends with record {sequence}; {head.sequence} were written")
    return sequence, last


def _before_rest(first: Record, rest: Iterator[Record]) -> Iterator[Record]:
    yield first
    yield from rest


def _append(row: dict[str, Any], connection: Connection) -> None:
    head = connection.execute(select(audit_head).with_for_update()).one()
    sequence = head.sequence + 1
    row = {**row, "sequence": sequence, "previous": head.hash}
    row["hash"] = _hash(row)
    connection.execute(audit.insert(), row)
    connection.execute(update(audit_head).values(sequence=sequence, hash=row["hash"]))


def _hash(row: Mapping[str, Any]) -> str:
    content = [row["sequence"], to_microseconds(row["at"]), *(row[name] for name in (*_CONTENT, *_JSON_MEMBERS))]
    return hashlib.sha256(json.dumps([*content, row["previous"]]).encode()).hexdigest()


def _hash_of(record: Record) -> str:
    return _hash({**record.__dict__, **{name: _text(getattr(record, name)) for name in _JSON_MEMBERS}})


def _record(row: Row[Any]) -> Record:
    said = dict(row._mapping)
    return Record(
        **{**said, **{name: None if said[name] is None else json.loads(said[name]) for name in _JSON_MEMBERS}}
    )


def _text(value: Any) -> str | None:
    """One text for one value, also after it was read back: escaped, so that every database holds it."""
    return None if value is None else json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)


def _bounded_text(value: Any) -> str | None:
    """The value as text, every text in it and the whole of bounded length; what was cut is told by its digest."""
    text = _text(_bounded(value))
    if text is None or len(text) <= STATE_CHARACTERS_MAX:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return _text({"cut": {"characters": len(text), "sha256": digest, "begins": text[:TEXT_CHARACTERS_MAX]}})


def _bounded(value: Any) -> Any:
    if isinstance(value, str) and len(value) > TEXT_CHARACTERS_MAX:
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        return {"cut": {"characters": len(value), "sha256": digest, "begins": value[:64]}}
    if isinstance(value, Mapping):
        return {str(_bounded(name)): _bounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_bounded(each) for each in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    assert isinstance(value, Decimal | bytes), type(value)
    return str(value)


def _clean(text: str | None, characters_max: int) -> str | None:
    """What every database holds as a text: no half surrogate pair, no NUL, bounded."""
    return text and text[:characters_max].encode("utf-8", "replace").decode().replace("\0", "\ufffd")
