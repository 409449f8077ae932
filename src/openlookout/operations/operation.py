"""What every operation shares: its registration, its context, and the errors of a name that is taken or unknown.

An operation is a function `(context, request) -> response`, in the order find -> check -> change -> answer, with one
transaction. It knows rows and jobs; it knows no HTTP, no arrays and no buckets.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, func, select
from sqlalchemy.exc import IntegrityError

from openlookout.api.errors import (
    ConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
)
from openlookout.api.types import S3Object
from openlookout.clock import Clock
from openlookout.limits import OWN, Limits
from openlookout.operations.bucket_owners import BucketOwners
from openlookout.operations.tokens import Tokens
from openlookout.store.database import Database


class Jobs(Protocol):
    """Where an operation leaves the work that happens later."""

    def enqueue(self, connection: Connection, kind: str, identity: str) -> None:
        """Add a job in the caller's transaction."""
        ...


@dataclass(frozen=True)
class Ports:
    """What all operations of one process share.

    `token_hours`: how long a ClientToken outlives its work. `bucket_owners` None: buckets are everybody's.
    """

    database: Database
    jobs: Jobs
    clock: Clock
    tokens: Tokens
    limits: Limits = OWN
    token_hours: int = 24
    bucket_owners: BucketOwners | None = None


@dataclass(frozen=True)
class Context:
    """One call: who asks, for which operation, and the ports."""

    operation: str
    account: str
    region: str
    request_id: str
    ports: Ports
    principal: str | None = None  # The access key's id; None: let in unsigned.

    @property
    def database(self) -> Database:
        return self.ports.database

    @property
    def jobs(self) -> Jobs:
        return self.ports.jobs

    @property
    def limits(self) -> Limits:
        return self.ports.limits

    def now(self) -> datetime:
        """The current time in whole milliseconds, as the service showed times."""
        now = self.ports.clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def arn(self, path: str) -> str:
        return f"arn:aws:lookoutequipment:{self.region}:{self.account}:{path}"


# The request and response types differ for each operation; `operation` is where they meet as plain mappings.
Function = Callable[[Context, Any], Any]
OPERATIONS: dict[str, Function] = {}


def operation(function: Function) -> Function:
    """Register a function under its API name: `list_model_versions` is ListModelVersions."""
    name = re.sub(r"(?:^|_)([a-z])", lambda match: match.group(1).upper(), function.__name__)
    assert name not in OPERATIONS, name
    OPERATIONS[name] = function
    return function


def new_id() -> str:
    """A fresh identity, as the last part of an ARN: it tells a resource from an earlier one of the same name."""
    return str(uuid.uuid4())


def new_hex_id() -> str:
    """A fresh identity of 32 hexadecimal characters, as job ids are."""
    return uuid.uuid4().hex


def not_found(noun: str, name: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"The {noun} '{name}' does not exist.")


def s3_object(bucket: str | None, key: str | None) -> S3Object | None:
    """An object as the API shows it, None when there is none."""
    return None if bucket is None or key is None else {"Bucket": bucket, "Key": key}


def named(context: Context, connection: Connection, table: Table, name: str) -> Row[Any] | None:
    """Give the caller's row of that name, None when there is none."""
    return connection.execute(select(table).where(of_caller(context, table), table.c.name == name)).one_or_none()


def find_named(context: Context, connection: Connection, table: Table, name: str) -> Row[Any]:
    """Give the caller's row of that name.

    Raises:
        ResourceNotFoundException: the account has none of that name in that region.
    """
    found = named(context, connection, table, name)
    if found is None:
        raise not_found(_noun(table), name)
    return found


def insert_named(context: Context, connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row of the caller's whose name must be free; it is made now, unless `row` has other times.

    Raises:
        ConflictException: the name is taken.
    """
    now = context.now()
    made = {"account": context.account, "region": context.region, "created_at": now, "updated_at": now}
    try:
        with connection.begin_nested():
            connection.execute(table.insert(), made | dict(row))
    except IntegrityError:
        raise ConflictException(f"A {_noun(table)} named '{row['name']}' exists already.") from None


def _noun(table: Table) -> str:
    return table.name.replace("_", " ")


def check_quota(what: str, n: int, limit: int) -> None:
    """Raises ServiceQuotaExceededException: `n`, what there would be, is more than the limit."""
    if n > limit:
        raise ServiceQuotaExceededException(f"There would be {n} {what}; {limit} is the quota.")


def count(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    """How many rows of a table meet the conditions."""
    return connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()


def of_caller(context: Context, table: Table) -> ColumnElement[bool]:
    """The condition that a row belongs to the caller's account and region."""
    return and_(table.c.account == context.account, table.c.region == context.region)
