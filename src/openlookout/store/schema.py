"""The schema and its two kinds of change, so that an old and a new release can work on one database for a while.

A `pre` revision only adds, and runs before the new release starts: the old one goes on beside it. A `post` revision
takes away what nothing uses any more, and runs after the last process of the old release has ended. A revision says
which it is by its `phase`; without one it is `pre`. Knows revisions; knows no table.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

VERSION_TABLE = "openlookout_revision"
MIGRATIONS = Path(__file__).parent / "migrations"

Phase = Literal["pre", "post"]


class SchemaError(Exception):
    """The tables do not fit this release; the message says what to do."""


@dataclass(frozen=True)
class Revision:
    """One change of the tables."""

    id: str
    phase: Phase
    says: str


def revisions() -> list[Revision]:
    """Every revision of this release, oldest first."""
    scripts = [*ScriptDirectory.from_config(_configuration()).walk_revisions()]
    return [Revision(script.revision, _phase(script), script.doc) for script in reversed(scripts)]


def current(connection: Connection) -> str | None:
    """The revision of the tables; None while there are none."""
    found: str | None = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()
    return found


def migrate(connection: Connection, phase: Phase) -> list[Revision]:
    """Bring the tables to this release; `pre`: only so far that it can run. Give the revisions that were applied.

    Does nothing when they are, also when a later release has changed them already.

    Raises:
        SchemaError: `pre` cannot reach what this release needs, for a `post` revision before it has not been run.
    """
    missing = _missing(current(connection))
    first_post = next((i for i, revision in enumerate(missing) if revision.phase == "post"), len(missing))
    wanted = missing if phase == "post" else missing[:first_post]
    left = missing[len(wanted) :]
    if any(revision.phase == "pre" for revision in left):
        raise SchemaError(
            f"revision {left[0].id} ('{left[0].says}') takes away what an earlier release uses, and this one needs "
            "what comes after it: stop every process of the earlier release, then run "
            "'openlookout migrate --phase post'"
        )
    if wanted:
        configuration = _configuration()
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, wanted[-1].id)
    return wanted


def check(connection: Connection) -> None:
    """Look whether this release can run on the tables.

    Raises:
        SchemaError: there are none, or they are of an earlier release.
    """
    missing = [revision.id for revision in _missing(current(connection)) if revision.phase == "pre"]
    if missing:
        raise SchemaError(f"the tables lack revision {missing[-1]} of this release: run 'openlookout migrate' first")


def _missing(at: str | None) -> list[Revision]:
    every = revisions()
    ids = [revision.id for revision in every]
    if at is not None and at not in ids:  # A later release's.
        return []
    return every if at is None else every[ids.index(at) + 1 :]


def _phase(script: Script) -> Phase:
    phase = getattr(script.module, "phase", "pre")
    assert phase in {"pre", "post"}, f"revision {script.revision} is {phase!r}"
    return "post" if phase == "post" else "pre"


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    return configuration
