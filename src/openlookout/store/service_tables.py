"""Rows that the service keeps for itself: secrets, access keys, workers, used client tokens, the audit log.

No resource of the API is among them; those are in `tables`.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, false
from sqlalchemy.types import Text

from openlookout.store.tables import Instant, Name, metadata

secret = Table(
    "secret",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

access_key = Table(
    "access_key",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("secret", String(128), nullable=False),
    Column("account", String(12), nullable=False),
    Column("note", Text),
    Column("created_at", Instant, nullable=False),
    Column("is_read_only", Boolean, nullable=False, server_default=false()),
)

# A process that runs jobs. `beat` grows while it lives; who sees it stand still gives its jobs to others.
worker = Table(
    "worker",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("place", String(255), nullable=False),  # Host and process, for people.
    Column("beat", BigInteger, nullable=False),
    Column("started_at", Instant, nullable=False),
)

# A ClientToken that was used: what the request made, and when the work behind it ended.
client_token = Table(
    "client_token",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(64), primary_key=True),
    Column("operation", String(64), primary_key=True),
    Column("token", Name, primary_key=True),
    Column("digest", String(64), nullable=False),  # Of all other members of the request.
    Column("made", String(96), nullable=False),  # What the request made; see operations/idempotency.py.
    Column("owner_id", String(36), nullable=False),  # The resource with which the token is forgotten.
    Column("ended_at", Instant),  # Absent while the work is under way.
    Index("client_token_by_made", "made"),
    Index("client_token_by_owner", "owner_id"),
    Index("client_token_by_end", "ended_at"),
)

# Append-only: triggers refuse every UPDATE and DELETE. Each record's hash covers the record and the hash before it.
audit = Table(
    "audit",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),  # 1, 2, 3, ... without a gap.
    Column("at", Instant, nullable=False),
    Column("account", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("principal", String(128), nullable=False),
    Column("operation", String(64), nullable=False),
    Column("resource", Text),  # Its ARN; of a refusal as far as the request named it.
    Column("request_id", String(128), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("message", Text),
    Column("request", Text),
    Column("before", Text),
    Column("after", Text),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("audit_by_caller", "account", "region", "sequence"),
    Index("audit_by_resource", "account", "region", "resource", "sequence"),
)

# The chain's end: one row, which every transaction that appends locks last.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)
