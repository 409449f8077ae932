"""Saved answers of the service: JSON as the AWS CLI prints it, or dictionaries as Python prints them. Runs nothing."""

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from openlookout.adopt.facts import Fact, dictionaries, fact


class NoAnswer(Exception):
    """The text is neither JSON nor a printed dictionary; the message says why."""


def read_answers(name: str, text: str) -> list[Fact]:
    """Give what the answers in a file tell; members of their lists (summaries) tell for themselves.

    Raises:
        NoAnswer: it holds no structure.
    """
    found = []
    for document in documents(text):
        for members in dictionaries(document):
            one = fact(members, name, 1, "answer")
            if one is None:
                continue
            # Where the resource is named; its members stand after that, or before it where they come first.
            at = max(text.find(f"{one.name}"), 0)
            lines = {member: _line(text, at, member) for member in _members(members)}
            found.append(replace(one, line=text.count("\n", 0, at) + 1, lines=lines))
    return found


def _line(text: str, at: int, member: str) -> int:
    after = text.find(f"{member}", at)
    return text.count("\n", 0, after if after >= 0 else max(text.find(f"{member}"), 0)) + 1


def _members(members: Mapping[str, Any]) -> Iterator[str]:
    for name, value in members.items():
        yield str(name)
        if isinstance(value, Mapping):
            yield from _members(value)


def documents(text: str) -> list[Any]:
    """Give the structures of a text: one, one a line, or one after another.

    Raises:
        NoAnswer: there is none.
    """
    stripped = text.strip().removeprefix("\ufeff")
    if not stripped:
        raise NoAnswer("it is empty")
    decoder, found, at = json.JSONDecoder(), [], 0
    try:
        while at < len(stripped):
            value, end = decoder.raw_decode(stripped, at)
            found.append(value)
            at = end + len(stripped[end:]) - len(stripped[end:].lstrip(" \t\r\n,"))
    except ValueError as error:
        if found and at:
            raise NoAnswer(f"its JSON breaks off: {error}") from None
        return [_printed(stripped, str(error))]
    return found


def _printed(text: str, json_error: str) -> Any:
    """Read a dictionary as Python's print shows it, with `datetime.datetime(…)` in it."""
    try:
        tree = ast.parse(text, mode="eval")
        return _literal(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NoAnswer(f"it is no JSON ({json_error}) and no printed dictionary") from None


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Dict):
        keys = [None if key is None else _literal(key) for key in node.keys]
        return dict(zip(keys, map(_literal, node.values), strict=True))
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(one) for one in node.elts]
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {"datetime.datetime", "datetime"}:
        # tzlocal() is the zone of the machine that printed it, which nobody knows any more: taken as UTC.
        parts = [int(ast.literal_eval(one)) for one in node.args]
        year, month, day, hour, minute, second, microsecond = [*parts, 0, 0, 0, 0][:7]
        return datetime(year, month, day, hour, minute, second, microsecond, UTC)
    return ast.literal_eval(node)
