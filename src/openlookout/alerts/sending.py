"""What all channels share: a message goes out, or it does not for one of two reasons. Secrets by reference.

A secret is a text in the row, or names where it is: `env:NAME` an environment variable, `file:PATH` the first line of a
file. None is ever part of an error or a log line: a channel uses its own words, never the library's, which quote URLs.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

SECONDS_MAX = 15.0


class Unreachable(Exception):
    """The channel does not answer, or not as it should: all its messages wait. `retry_seconds`: as it asked for."""

    def __init__(self, message: str, retry_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class Rejected(Exception):
    """The channel answers, and does not take this message."""


class BadChannel(Exception):
    """A channel's configuration that cannot be; the message says why and shows no secret."""


def port_of(said: Any) -> int:
    """Give a port's number.

    Raises:
        BadChannel: it is none.
    """
    try:
        port = int(said)
    except ValueError:
        port = 0
    if not 1 <= port <= 65_535:
        raise BadChannel(f"'{said}' is no port")
    return port


@dataclass(frozen=True)
class Envelope:
    """A message on its way: the same id whenever it is sent again. `body`: the message as JSON."""

    id: str
    title: str
    text: str
    message: Mapping[str, Any]
    body: bytes


class Channel(Protocol):
    """One kind of channel."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The members of its configuration."""
        ...

    @property
    def secrets(self) -> tuple[str, ...]:
        """Those that are never shown."""
        ...

    def check(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """Give the configuration with its defaults.

        Raises:
            BadChannel: a member is missing, unknown, or no value for it.
        """
        ...

    def shown(self, configuration: Mapping[str, Any]) -> str:
        """Where it goes, without a secret."""
        ...

    def send(self, configuration: Mapping[str, Any], envelope: Envelope) -> None:
        """Send; returns once the other side has it.

        Raises:
            Unreachable: nobody took it, for a reason that has nothing to do with the message.
            Rejected: this message was not taken.
        """
        ...


def resolved(secret: str) -> str:
    """Give what a secret stands for.

    Raises:
        Unreachable: the variable or the file is not there.
    """
    if secret.startswith("env:"):
        name = secret.removeprefix("env:")
        if name not in os.environ:
            raise Unreachable(f"the environment variable {name} of a secret is not set where alerts are sent")
        return os.environ[name]
    if secret.startswith("file:"):
        path = Path(secret.removeprefix("file:"))
        try:
            return path.read_text().splitlines()[0].strip()
        except (OSError, UnicodeDecodeError, IndexError):
            raise Unreachable(f"the file {path} of a secret cannot be read, or is empty") from None
    return secret


def check_names(kind: str, fields: tuple[str, ...], needed: tuple[str, ...], given: Mapping[str, Any]) -> None:
    """Raises BadChannel: a member is unknown or missing."""
    for name in given:
        if name not in fields:
            raise BadChannel(f"a channel of kind {kind} has no '{name}'; it has {', '.join(fields)}")
    for name in needed:
        if not given.get(name):
            raise BadChannel(f"a channel of kind {kind} needs '{name}'")
