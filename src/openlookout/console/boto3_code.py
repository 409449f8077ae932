"""Requests of the API as the same calls in boto3, for people to copy. Knows neither pages nor what is asked for."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

LINE_CHARACTERS = 48  # Of a value in the outermost request: beside a form there is no room for more.


def program(calls: Sequence[tuple[str, Mapping[str, Any]]], region: str) -> str:
    """Give a program of calls, each a method of the client and its request; ClientTokens are boto3's own."""
    shown = [_call(method, request) for method, request in calls]
    imports = ["import boto3"]
    if any("datetime(" in one for one in shown):
        imports = ["from datetime import datetime, timezone", "", *imports]
    client = f'client = boto3.client("lookoutequipment", region_name="{region}")'
    return "\n".join([*imports, "", client, *shown])


def _call(method: str, request: Mapping[str, Any]) -> str:
    members = "".join(f"    {member}={_literal(value, 1)},\n" for member, value in request.items())
    return f"client.{method}(\n{members})"


def _literal(value: Any, depth: int) -> str:
    """A value as Python writes it: in one line where it fits, else a line each member."""
    if isinstance(value, datetime):
        at = value.astimezone(UTC)
        parts = [at.year, at.month, at.day, at.hour, at.minute] + ([at.second] if at.second else [])
        return f"datetime({', '.join(map(str, parts))}, tzinfo=timezone.utc)"
    if isinstance(value, Mapping):
        members = [f"{name!r}: {_literal(each, depth + 1)}" for name, each in value.items()]
        return _bracketed("{}", members, depth)
    if isinstance(value, list):
        return _bracketed("[]", [_literal(each, depth + 1) for each in value], depth)
    return repr(value)


def _bracketed(brackets: str, members: Sequence[str], depth: int) -> str:
    begin, end = brackets[0], brackets[1]
    line = f"{begin}{', '.join(members)}{end}"
    if len(line) <= LINE_CHARACTERS - 8 * depth and "\n" not in line:
        return line
    room = "    " * (depth + 1)
    return begin + "".join(f"\n{room}{one}," for one in members) + f"\n{'    ' * depth}{end}"
