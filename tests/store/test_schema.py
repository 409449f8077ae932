"""Changes of the tables: what runs before a release only adds, what runs after it may take away, in that order."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, inspect, text

from openlookout.store import schema
from openlookout.store.database import Database

REVISION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{id}", {before!r}, None, None
phase = "{phase}"


def upgrade() -> None:
    {does}
"""


@pytest.fixture
def database(tmp_path: Path) -> Any:
    made = Database(f"sqlite:///{tmp_path / 'rows.db'}")
    yield made
    made.close()


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three releases: a table, a column that takes another's place, and after the old one is gone, one more."""
    (tmp_path / "versions").mkdir()
    shutil.copy(schema.MIGRATIONS / "env.py", tmp_path / "env.py")
    changes = [
        (
            "a1",
            "pre",
            'op.create_table("pump", sa.Column("id", sa.Integer, primary_key=True), sa.Column("old", sa.Text))',
        ),
        ("b1", "pre", 'op.add_column("pump", sa.Column("new", sa.Text))'),
        ("b2", "post", 'op.execute("ALTER TABLE pump DROP COLUMN old")'),
        ("c1", "pre", 'op.add_column("pump", sa.Column("more", sa.Text))'),
    ]
    before = None
    for identity, phase, does in changes:
        said = f'"""Change {identity}"""\n' + REVISION.format(id=identity, before=before, phase=phase, does=does)
        (tmp_path / "versions" / f"{identity}.py").write_text(said)
        before = identity
    monkeypatch.setattr(schema, "MIGRATIONS", tmp_path)
    return [identity for identity, _, _ in changes]


def keep(tmp_path: Path, *ids: str) -> None:
    """Let the release have these revisions alone."""
    for path in (tmp_path / "versions").glob("*.py"):
        if path.stem not in ids:
            path.unlink()


def columns(database: Database) -> set[str]:
    with database.reading() as connection:
        return {column["name"] for column in inspect(connection).get_columns("pump")}


def test_pre_stops_before_what_takes_away_and_post_does_the_rest(
    database: Database, releases: list[str], tmp_path: Path
) -> None:
    keep(tmp_path, "a1", "b1", "b2")
    assert [revision.id for revision in database.migrate("pre")] == ["a1", "b1"]
    assert columns(database) == {"id", "old", "new"}
    database.check_schema()
    assert database.migrate("pre") == []
    assert [revision.id for revision in database.migrate("post")] == ["b2"]
    assert columns(database) == {"id", "new"}


def test_a_release_that_needs_what_comes_after_an_open_post_says_what_to_do(
    database: Database, releases: list[str]
) -> None:
    with pytest.raises(
        schema.SchemaError, match=r"revision b2 \('Change b2'\) takes away what an earlier release uses"
    ):
        database.migrate("pre")
    database.migrate("post")
    assert columns(database) == {"id", "new", "more"}


def test_a_release_does_nothing_to_the_tables_of_a_later_one_and_starts_on_them(
    database: Database, releases: list[str], tmp_path: Path
) -> None:
    """In an upgrade processes of the old release are started anew on the new release's tables."""
    database.migrate("post")
    keep(tmp_path, "a1")
    assert database.migrate("post") == []
    database.check_schema()
    assert columns(database) == {"id", "new", "more"}


def test_a_release_does_not_start_on_the_tables_of_an_earlier_one(database: Database, releases: list[str]) -> None:
    with pytest.raises(
        schema.SchemaError, match="the tables lack revision c1 of this release: run 'openlookout migrate'"
    ):
        database.check_schema()


def shape(connection: Connection) -> dict[str, Any]:
    """Table -> columns and the columns that are unique together."""
    look = inspect(connection)
    found = {}
    for table in look.get_table_names():
        unique = [tuple(each["column_names"]) for each in look.get_unique_constraints(table)]
        unique += [tuple(each["column_names"]) for each in look.get_indexes(table) if each["unique"]]
        found[table] = ({column["name"]: column for column in look.get_columns(table)}, sorted(map(str, unique)))
    return found


def test_every_revision_that_runs_before_a_release_only_adds(database: Database) -> None:
    """So the earlier release's statements work: nothing that it names is gone, nothing must be given that it lacks."""
    configuration = schema._configuration()
    for revision in schema.revisions():
        with database.writing() as connection:
            before = shape(connection)
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, revision.id)
            after = shape(connection)
        if revision.phase == "post":
            continue
        for table, (old, unique) in before.items():
            new, unique_now = after[table]
            for name, column in old.items():
                assert str(new[name]["type"]) == str(column["type"]), f"{revision.id}: {table}.{name}"
                assert new[name]["nullable"] or not column["nullable"], f"{revision.id}: {table}.{name} must be given"
            for name in new.keys() - old.keys():
                may_lack = new[name]["nullable"] or new[name]["default"] is not None
                assert may_lack, f"{revision.id}: {table}.{name} must be given, which an earlier release does not"
            assert unique_now == unique or table == schema.VERSION_TABLE, f"{revision.id}: {table} is unique by more"


def test_revisions_have_numbers_of_their_own_in_one_line() -> None:
    ids = [path.name[:4] for path in sorted((schema.MIGRATIONS / "versions").glob("[0-9]*.py"))]
    assert ids == [revision.id for revision in schema.revisions()]


def test_an_empty_database_has_no_revision(database: Database) -> None:
    with database.reading() as connection:
        assert schema.current(connection) is None
    database.migrate()
    with database.reading() as connection:
        assert schema.current(connection) == schema.revisions()[-1].id
        assert connection.execute(text(f"SELECT count(*) FROM {schema.VERSION_TABLE}")).scalar_one() == 1
