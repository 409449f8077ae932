"""Answers as a client reads them, compiled from the definition: for those who ask within the process.

What an operation gives is for the encoder. Whoever asks without a socket sees what clients see: the answer as it is
written, read again.
"""

from collections.abc import Callable, Mapping
from typing import Any

from openlookout.api.instants import from_seconds

Reader = Callable[[Any], Any]


class Read(dict[str, Any]):
    """What was read of a structure: a member that it has not is absent, and None to whoever asks for it."""

    def __missing__(self, member: str) -> None:
        return None


def compile_answers(definition: Mapping[str, Any]) -> dict[str, Reader]:
    """Give, for each operation, the function that reads its parsed answer.

    Times are datetimes; what the definition does not name is dropped.
    """
    shapes = definition["shapes"]
    return {
        name: _reader(operation["output"]["shape"], shapes) if "output" in operation else _nothing
        for name, operation in definition["operations"].items()
    }


def _nothing(_parsed: Any) -> Read:
    return Read()


def _reader(name: str, shapes: Mapping[str, Any]) -> Reader:
    shape = shapes[name]
    kind = shape["type"]
    if kind == "structure":
        return _structure({member: _reader(of["shape"], shapes) for member, of in shape["members"].items()})
    if kind == "list":
        item = _reader(shape["member"]["shape"], shapes)
        return lambda parsed: [item(one) for one in parsed]
    if kind == "timestamp":
        return from_seconds
    return float if kind in {"float", "double"} else _as_it_is


def _structure(members: Mapping[str, Reader]) -> Reader:
    def read(parsed: Mapping[str, Any]) -> Read:
        return Read((member, members[member](given)) for member, given in parsed.items() if member in members)

    return read


def _as_it_is(parsed: Any) -> Any:
    return parsed
