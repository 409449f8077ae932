"""Questions: the rows that SQLAlchemy would give, on connections that may be lost at any time."""

import threading
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy import func as sql

from openlookout.store.tables import dataset, metadata
from served import Api


def _named(name_begins: str) -> Select[Any]:
    columns = (dataset.c.name, dataset.c.created_at, dataset.c.schema_given, dataset.c.kms_key)
    return select(*columns).where(dataset.c.name.startswith(name_begins), text("account = :account"))


def _fill(api: Api, prefix: str) -> None:
    with api.database.writing() as connection:
        for n in range(3):
            row = {"id": f"{prefix}{n}", "name": f"{prefix}{n}", "status": "CREATED", "schema_given": n == 1}
            at = datetime(2026, 1, 1, microsecond=n, tzinfo=UTC)
            connection.execute(
                dataset.insert(), row | {"account": "1", "region": "r", "created_at": at, "updated_at": at}
            )


def test_a_question_gives_what_sqlalchemy_gives(api: Api) -> None:
    _fill(api, "same")
    asked = api.database.questions.ask({"account": "1"}, _named, "same")
    with api.database.reading() as connection:
        executed = connection.execute(_named("same"), {"account": "1"}).all()
    assert sorted(asked) == sorted(executed)
    assert {(row.name, row.created_at.tzinfo, type(row.schema_given)) for row in asked} == {
        (f"same{n}", UTC, bool) for n in range(3)
    }


def _all_of(table: str) -> Select[Any]:
    return select(metadata.tables[table])


def test_every_column_of_every_table_can_be_asked_for(api: Api) -> None:
    for table in metadata.tables:
        asked = api.database.questions.ask({}, _all_of, table)
        with api.database.reading() as connection:
            assert len(asked) == len(connection.execute(_all_of(table)).all())


def test_a_question_sees_what_was_committed_since_it_was_asked_last(api: Api) -> None:
    assert api.database.questions.ask({"account": "1"}, _named, "later") == []
    _fill(api, "later")
    assert len(api.database.questions.ask({"account": "1"}, _named, "later")) == 3


def test_a_question_is_answered_although_its_connection_was_lost(api: Api) -> None:
    _fill(api, "lost")
    ask = api.database.questions.ask
    assert len(ask({"account": "1"}, _named, "lost")) == 3
    if api.database.is_sqlite:
        api.database.questions._idle[-1].close()
    else:
        with api.database.reading() as connection:
            others = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            connection.execute(others)
    for _ in range(3):
        assert len(ask({"account": "1"}, _named, "lost")) == 3


def test_threads_that_ask_at_once_each_get_their_own_answer(api: Api) -> None:
    wrong: list[object] = []

    def look(n: int) -> None:
        for _ in range(50):
            rows = api.database.questions.ask({"n": n}, _echo)
            if [row.n for row in rows] != [str(n)]:
                wrong.append(rows)

    threads = [threading.Thread(target=look, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def _echo() -> Select[Any]:
    return select(sql.max(text("CAST(:n AS VARCHAR)")).label("n"))
