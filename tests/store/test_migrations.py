"""The migrations give exactly the tables that the code knows."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from openlookout.store.database import Database
from openlookout.store.tables import metadata


def test_migrated_tables_are_the_tables_of_the_code(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.migrate()
    database.migrate()
    with database.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": "openlookout_revision"}
        )
        assert compare_metadata(context, metadata) == []
