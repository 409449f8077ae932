"""Requests of the API as the same calls in boto3, for people to copy. Knows neither pages nor what is asked for."""

import pprint
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

CODE_WIDTH = 64  # Of a value: beside a form there is no room for more.


def program(calls: Sequence[tuple[str, Mapping[str, Any]]], region: str) -> str:
    """Give a program of calls, each a method of the client and its request; ClientTokens are boto3's own."""
    shown = [_call(method, request) for method, request in calls]
    imports = ["import boto3"]
    if any("datetime(" in one for one in shown):
        imports = ["from datetime import datetime, timezone", "", *imports]
    client = f'client = boto3.client("lookoutequipment", region_name="{region}")'
    return "\n".join([*imports, "", client, *shown])


def _call(method: str, request: Mapping[str, Any]) -> str:
    lines = [f"client.{method}("]
    for member, value in request.items():
        shown = _literal(value).splitlines()
        lines.append(f"    {member}={shown[0]}" + "".join(f"\n    {one}" for one in shown[1:]) + ",")
    return "\n".join([*lines, ")"])


def _literal(value: Any) -> str:
    if isinstance(value, datetime):
        at = value.astimezone(UTC)
        parts = [at.year, at.month, at.day, at.hour, at.minute] + ([at.second] if at.second else [])
        return f"datetime({', '.join(map(str, parts))}, tzinfo=timezone.utc)"
    return pprint.pformat(value, width=CODE_WIDTH, sort_dicts=False)
