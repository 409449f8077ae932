"""Alembic's entry: runs the revisions on the connection that `Database.migrate` hands over."""

from alembic import context

from openlookout.store import (  # noqa: F401  # In the metadata once they are loaded.
    alert_tables,
    score_tables,
    what_if_tables,
)
from openlookout.store.schema import VERSION_TABLE
from openlookout.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    user_module_prefix="",
)
context.run_migrations()
