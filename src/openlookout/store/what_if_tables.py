"""What-ifs: stretches of data scored with a version of choice, for people to look at. They change nothing else."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from openlookout.store.tables import Instant, metadata

what_if = Table(
    "what_if",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("model_id", ForeignKey("model.id", ondelete="CASCADE"), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("data_start", Instant, nullable=False),
    Column("data_end", Instant, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("forgiven", Integer, nullable=False, server_default="0"),  # Attempts that do not count.
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("failed_reason", Text),
    Column("percent", Integer, nullable=False, server_default="0"),  # How much of it is done.
    Column("object_prefix", Text),  # Of what was scored; see jobs/what_if_work.py.
    Index("what_if_by_model", "model_id", "created_at", "id"),
    Index("what_if_by_status", "status", "created_at"),
)
