"""The audit log: append-only, chained, bounded; whatever is changed in it afterwards is seen."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner

from openlookout.cli import app
from openlookout.store.audit import (
    FIRST_HASH,
    STATE_CHARACTERS_MAX,
    AuditBroken,
    Entry,
    Record,
    note,
    page,
    read_line,
    records,
    verify,
    verify_database,
)
from openlookout.store.database import Database
from served import ACCOUNT, REGION, Api

AT = datetime(2026, 1, 1, 12, 0, 0, 250000, tzinfo=UTC)


def entry(n: int = 0, **more: Any) -> Entry:
    said = {"at": AT, "account": ACCOUNT, "region": REGION, "principal": "KEY", "operation": "CreateModel"}
    return Entry(**{**said, "resource": f"arn:{n}", "request_id": f"r{n}", "request": {"n": n}, **more})


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'openlookout.db'}")
    made.migrate()
    yield made
    made.close()


def append(database: Database, *entries: Entry) -> None:
    with database.writing() as connection:
        for each in entries:
            note(connection, each)


def tampered(database: Database, *statements: str) -> None:
    """Change the log as somebody would who may do anything in the database: triggers away, change, triggers back."""
    with database.writing() as connection:
        find = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = [tuple(row) for row in connection.execute(find)]
        for name, _ in triggers:
            connection.execute(text(f"DROP TRIGGER {name}"))
        for statement in statements:
            connection.execute(text(statement))
        for _, sql in triggers:
            connection.execute(text(sql))


def test_records_follow_one_another_without_a_gap(database: Database) -> None:
    assert verify_database(database) == (0, FIRST_HASH)
    for n in range(5):
        append(database, entry(n, after={"status": "ACTIVE", "at": AT}), entry(n, outcome="ConflictException"))
    kept = list(records(database))
    assert [record.sequence for record in kept] == list(range(1, 11))
    assert kept[0].after == {"status": "ACTIVE", "at": "2026-01-01T12:00:00.250000+00:00"}
    assert verify_database(database) == (10, kept[-1].hash)
    assert [record.sequence for record in records(database, after=7)] == [8, 9, 10]


def test_a_transaction_that_fails_leaves_no_record(database: Database) -> None:
    def fails() -> None:
        with database.writing() as connection:
            note(connection, entry())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    append(database, entry(1))
    assert [record.resource for record in records(database)] == ["arn:1"]


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE audit SET after = '{}' WHERE sequence = 3", "record 3 is not as it was recorded"),
        ("UPDATE audit SET principal = 'x' WHERE sequence = 1", "record 1 is not as it was recorded"),
        ("UPDATE audit SET hash = previous WHERE sequence = 5", "record 5 is not as it was recorded"),
        ("DELETE FROM audit WHERE sequence = 3", "after record 2 comes 4: records are missing"),
        ("DELETE FROM audit WHERE sequence <= 2", "the log begins with record 3: earlier ones are missing"),
        ("DELETE FROM audit WHERE sequence > 4", "record 6, which was noted, is missing"),
        ("DELETE FROM audit", "the log ends with record 0; 6 were written"),
        ("UPDATE audit_head SET hash = 'x'", "record 6 is another than the one that was noted"),
    ],
)
def test_whatever_is_changed_afterwards_is_seen(database: Database, statement: str, sentence: str) -> None:
    append(database, *(entry(n) for n in range(6)))
    tampered(database, statement)
    with pytest.raises(AuditBroken, match=sentence):
        verify_database(database)


def test_a_log_that_was_written_anew_is_not_the_one_that_was_noted(database: Database) -> None:
    append(database, *(entry(n) for n in range(3)))
    sequence, last = verify_database(database)
    tampered(database, "DELETE FROM audit", f"UPDATE audit_head SET sequence = 0, hash = '{FIRST_HASH}'")
    append(database, *(entry(n, principal="nobody") for n in range(4)))
    assert verify_database(database)[0] == 4
    with pytest.raises(AuditBroken, match="record 3 is another than the one that was noted"):
        verify_database(database, {sequence: last})
    with pytest.raises(AuditBroken, match="record 9, which was noted, is missing"):
        verify_database(database, {9: last})


@pytest.mark.parametrize("statement", ["UPDATE audit SET outcome = 'ok'", "DELETE FROM audit"])
def test_the_database_itself_refuses_to_change_a_record(api: Api, statement: str) -> None:
    append(api.database, entry())
    with pytest.raises(DBAPIError, match="the audit log is append-only"), api.database.writing() as connection:
        connection.execute(text(statement))


def test_a_record_is_bounded_whatever_was_asked(database: Database) -> None:
    long = "x" * 1_000_000
    odd = {"a": long, "\ud800": ["\ud800\0é", Decimal("1.10"), 10**300, None, True], long: {}, "at": AT}
    many = {f"k{n}": n for n in range(100_000)}
    append(database, entry(request=odd, before=many, after="text", message=long + "\0", resource=long, principal=long))
    append(database, entry(request=odd, message="\0\ud800", resource="\ud800"))
    first, second = records(database)
    assert len(first.line()) < 3 * STATE_CHARACTERS_MAX
    assert first.before["cut"]["characters"] > 1_000_000
    assert first.request["a"]["cut"] == {
        "characters": 1_000_000,
        "sha256": first.request["a"]["cut"]["sha256"],
        "begins": "x" * 64,
    }
    assert second.request["\ud800"] == ["\ud800\0é", "1.10", 10**300, None, True]
    assert (second.message, second.resource) == ("�?", "?")
    verify_database(database)


def test_an_export_is_verified_without_the_database(database: Database) -> None:
    append(database, *(entry(n, request={"é": "\ud800", "t": AT}) for n in range(4)))
    lines = [record.line() for record in records(database)]
    sequence, last = verify(map(read_line, lines))
    assert (sequence, last) == verify_database(database)
    assert verify(map(read_line, lines[2:])) == (4, last)
    with pytest.raises(AuditBroken, match="record 2 is not as it was recorded"):
        verify(map(read_line, [line.replace('"r1"', '"r9"') for line in lines]))
    with pytest.raises(AuditBroken, match="record 2 does not follow the record before it"):
        verify(map(read_line, [lines[0], lines[1].replace('"previous": "', '"previous": "0')]))
    for wrong in ("", "[]", "{}", '{"sequence": 1}', lines[0][:-1]):
        with pytest.raises(AuditBroken, match="a line is no record"):
            verify(map(read_line, [wrong]))


def test_pages_are_of_one_account_and_region_newest_first(database: Database) -> None:
    for n in range(6):
        append(database, entry(n), entry(n, account="999999999999"), entry(n, region="eu-west-1"))
    pages: list[list[Record]] = []
    with database.reading() as connection:
        while True:
            before = pages[-1][-1].sequence if pages else None
            found = page(connection, ACCOUNT, REGION, before=before, limit=4)
            if not found:
                break
            pages.append(found)
        of_one = page(connection, ACCOUNT, REGION, before=None, limit=4, resource="arn:2")
    assert [[record.resource for record in each] for each in pages] == [
        ["arn:5", "arn:4", "arn:3", "arn:2"],
        ["arn:1", "arn:0"],
    ]
    assert [record.resource for record in of_one] == ["arn:2"]
    assert {record.account for each in pages for record in each} == {ACCOUNT}


def test_transactions_at_once_make_one_chain(api: Api) -> None:
    start, _ = verify_database(api.database)

    def work(thread: int) -> None:
        for n in range(10):
            append(api.database, entry(n, request_id=f"{thread}-{n}"))

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert verify_database(api.database)[0] == start + 80
    ids = [record.request_id for record in records(api.database, after=start)]
    assert sorted(ids) == sorted(f"{thread}-{n}" for thread in range(8) for n in range(10))


def test_the_commands_export_and_verify(database: Database, tmp_path: Path) -> None:
    append(database, *(entry(n) for n in range(3)))
    run, folder = CliRunner(), str(tmp_path)
    exported = run.invoke(app, ["audit", "export", "--data", folder, "--after", "1"]).stdout
    assert [read_line(line).sequence for line in exported.splitlines()] == [2, 3]
    file = tmp_path / "audit.jsonl"
    file.write_text(exported)
    said = run.invoke(app, ["audit", "verify", "--data", folder]).stdout.splitlines()
    assert said[0] == "3 records, unchanged"
    of_file = run.invoke(app, ["audit", "verify", "--file", str(file), "--known", said[1]]).stdout.splitlines()
    assert of_file == ["up to record 3, unchanged", said[1]]
