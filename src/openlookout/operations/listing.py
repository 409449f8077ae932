"""Listings: filters as a table, keyset position, sealed token. Every List operation is one `Listing` and one `page`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, text
from sqlalchemy.sql.expression import TextClause

from openlookout.api.errors import ValidationException
from openlookout.api.instants import to_microseconds
from openlookout.operations.operation import Context
from openlookout.operations.tokens import InvalidToken

PAGE_ROWS_DEFAULT = 50
INTEGER_MAX = 2**63 - 2  # ModelVersion has no maximum in the API; the database's integers have. One less, to add one.
PAGING = frozenset({"NextToken", "MaxResults"})


@dataclass(frozen=True, eq=False)
class Listing:
    """A paged list of rows.

    `source`: what is selected. `scope`: a condition that always holds, on parameters that the operation gives.
    `filters`: request member -> condition on `:Member`; for a prefix also on `:MemberEnd`, the first text after all
    that begin so. `key`: the columns that order the rows, together unique within the scope; the last page ends where
    no row is after it, so rows added meanwhile neither repeat nor hide others.

    `above` and `below` are filters on an ascending key of one column: request member -> what the key must be greater or
    less than. They are joined into one bound each: an index is entered at one place, and of two conditions on one
    column the database would use one and read every row up to the other.
    """

    source: Select[Any]
    scope: str
    key: tuple[str, ...]
    filters: Mapping[str, str]
    is_descending: bool = False
    above: Mapping[str, str] = field(default_factory=dict)
    below: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert not (self.above or self.below) or (len(self.key) == 1 and not self.is_descending)

    @property
    def members(self) -> tuple[str, ...]:
        """The request members that are filters."""
        return (*self.filters, *self.above, *self.below)


def page(
    context: Context, listing: Listing, request: Mapping[str, Any], scope: Mapping[str, Any]
) -> tuple[list[Row[Any]], str | None]:
    """Give one page of rows and the token of the next, None after the last.

    Raises:
        ValidationException: NextToken was issued for another account, region, operation or other filters.
    """
    given = {member: request[member] for member in listing.members if request.get(member) is not None}
    sealed_for = [context.account, context.region, context.operation, _plain(request)]
    parameters = {**scope, **_parameters(given)}
    token = request.get("NextToken")
    if token:
        try:
            position = context.ports.tokens.open(token, sealed_for)
        except InvalidToken:
            raise ValidationException(
                "NextToken does not belong to this listing: it was issued for another account, region, operation "
                "or other filters, or it was changed."
            ) from None
        parameters |= {f"position_{i}": value for i, value in enumerate(position)}
    n_rows = request.get("MaxResults") or PAGE_ROWS_DEFAULT
    parameters["n_rows"] = n_rows + 1
    rows = context.database.questions.ask(
        parameters, _statement, listing, frozenset(given), bool(token), context.database.extremes
    )
    if len(rows) <= n_rows:
        return rows, None
    rows.pop()
    return rows, context.ports.tokens.seal(_position(listing, rows[-1]), sealed_for)


# As many statements as there are listings and subsets of their filters.
def _statement(listing: Listing, given: frozenset[str], is_continued: bool, extremes: tuple[str, str]) -> Select[Any]:
    keys = ", ".join(listing.key)
    greatest, least = extremes
    conditions = [listing.scope, *(condition for member, condition in listing.filters.items() if member in given)]
    above = [bound for member, bound in listing.above.items() if member in given]
    below = [bound for member, bound in listing.below.items() if member in given]
    if is_continued and (listing.above or listing.below):
        above = [":position_0"]  # Not before any other lower bound: the page before was not either.
    elif is_continued:
        values = ", ".join(f":position_{i}" for i in range(len(listing.key)))
        conditions.append(f"({keys}) {'<' if listing.is_descending else '>'} ({values})")
    if above:
        conditions.append(f"{keys} > {_joined(greatest, above)}")
    if below:
        conditions.append(f"{keys} < {_joined(least, below)}")
    direction = " DESC" if listing.is_descending else ""
    order: list[TextClause] = [text(f"{key}{direction}") for key in listing.key]
    return listing.source.where(*map(text, conditions)).order_by(*order).limit(bindparam("n_rows"))


def _joined(function: str, bounds: list[str]) -> str:
    return bounds[0] if len(bounds) == 1 else f"{function}({', '.join(bounds)})"


def _position(listing: Listing, row: Row[Any]) -> list[str | int]:
    values = [getattr(row, key.rsplit(".", 1)[-1]) for key in listing.key]
    return [to_microseconds(value) if isinstance(value, datetime) else value for value in values]


def _parameters(given: Mapping[str, Any]) -> dict[str, str | int]:
    parameters: dict[str, str | int] = {}
    for member, value in given.items():
        if isinstance(value, datetime):
            parameters[member] = to_microseconds(value)
        elif isinstance(value, int):
            parameters[member] = min(value, INTEGER_MAX)
        else:
            parameters[member] = value
            if member.endswith("BeginsWith"):
                parameters[f"{member}End"] = value[:-1] + chr(ord(value[-1]) + 1)
    return parameters


def _plain(request: Mapping[str, Any]) -> dict[str, Any]:
    return {
        member: to_microseconds(value) if isinstance(value, datetime) else value
        for member, value in request.items()
        if member not in PAGING and value is not None
    }
