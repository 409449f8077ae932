"""Questions: SELECTs that are asked again and again. Knows statements and connections; knows no table's meaning.

SQLAlchemy builds, compiles, looks up and wraps for each execution, which for one page of rows costs several times what
the database does. Here a statement is compiled once and goes to the driver as text, on a connection that is kept for
that. The driver's failures are not handled here: the question is then asked in SQLAlchemy's way, which reconnects, and
says in its own exceptions what is wrong.
"""

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from sqlalchemy import Engine, Row, Select
from sqlalchemy.engine import result_tuple

Make = Callable[..., Select[Any]]
Parameters = Mapping[str, str | int | None]


class Questions:
    """The questions of one database, and the connections that they are asked on: as many as are asked at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._compiled: dict[tuple[Make, tuple[Hashable, ...]], _Question] = {}
        self._idle: deque[Any] = deque()

    def ask(self, parameters: Parameters, make: Make, *of: Hashable) -> list[Row[Any]]:
        """Give the rows of the statement `make(*of)`, which is made once: there must be a bounded number of them.

        Each asks for what is committed, in no transaction with another.
        """
        question = self._compiled.get((make, of))
        if question is None:
            question = self._compiled[make, of] = _Question(self._engine, make(*of))
        try:
            connection = self._idle.pop()  # The one used last: its pages are in the processor's cache.
        except IndexError:
            connection = self._connect()
        try:
            rows = question.ask(connection, parameters)
        except self._engine.dialect.loaded_dbapi.Error:
            connection.close()
            with self._engine.connect() as checked:
                return list(checked.execute(question.statement, parameters))
        self._idle.append(connection)
        return rows

    def _connect(self) -> Any:
        """A driver's connection of our own, on which every statement is its own transaction."""
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        if self._engine.dialect.name == "postgresql":
            connection.autocommit = True
        return connection

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


# What PostgreSQL calls a double: asked for floating numbers alone, which psycopg then gives as they are.
FLOAT8 = 701


class _Question:
    """One statement: its text, how its parameters are given to the driver, and what is made of the values."""

    def __init__(self, engine: Engine, statement: Select[Any]) -> None:
        self.statement = statement
        dialect = engine.dialect
        compiled = statement.compile(dialect=dialect)
        assert not compiled._bind_processors, "parameters are given as the database keeps them"
        self._text = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._positions = compiled.positiontup  # The names in the order of the question marks; None: they are named.
        columns = statement.selected_columns
        self._row = result_tuple([column.key or "" for column in columns])
        kinds = [column.type.dialect_impl(dialect) for column in columns]
        processors = [kind.result_processor(dialect, FLOAT8) for kind in kinds]
        self._processors = [(i, process) for i, process in enumerate(processors) if process is not None]

    def ask(self, connection: Any, parameters: Parameters) -> list[Row[Any]]:
        given: Any = {**self._fixed, **parameters}
        if self._positions is not None:
            given = [given[name] for name in self._positions]
        cursor = connection.cursor()
        cursor.execute(self._text, given)
        found = cursor.fetchall()
        cursor.close()
        if self._processors and found:
            columns = [*zip(*found, strict=True)]  # Column by column: row by row makes each row anew.
            for i, process in self._processors:
                columns[i] = tuple(map(process, columns[i]))
            found = zip(*columns, strict=True)
        return [*map(self._row, found)]
