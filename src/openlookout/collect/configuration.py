"""The file of a collection: YAML, read and checked as a whole before anything is connected to."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from openlookout.collect.errors import CollectError

FILE_BYTES_MAX = 4 * 2**20
_TOP = ("scheduler", "endpoint", "region", "spool", "settle_seconds", "hold_seconds", "sources")
_KINDS = ("mqtt", "opcua", "folder")
_MQTT = (
    "host",
    "port",
    "version",
    "client_id",
    "user",
    "password",
    "tls",
    "ca_file",
    "certificate",
    "private_key",
    "topics",
)
_TOPIC = ("topic", "format", "time", "values")
_OPCUA = ("url", "interval_ms", "user", "password", "certificate", "private_key", "server_certificate", "values")
_FOLDER = ("path",)
Values = Mapping[str, str]


@dataclass(frozen=True)
class TopicText:
    topic: str
    format: str
    time: str | None
    values: Values


@dataclass(frozen=True)
class SourceText:
    """One source as the file has it: `kind` and its members, names checked, secrets resolved."""

    kind: str
    members: Mapping[str, Any]
    topics: tuple[TopicText, ...] = ()

    @property
    def sensors(self) -> list[str]:
        """The sensors that it names; a folder names none."""
        maps = [topic.values for topic in self.topics] or [self.members.get("values", {})]
        return [sensor for values in maps for sensor in values.values()]


@dataclass(frozen=True)
class Configuration:
    """`endpoint` of None: what the environment says."""

    scheduler: str
    spool: Path
    sources: tuple[SourceText, ...]
    endpoint: str | None = None
    region: str | None = None
    settle_seconds: float = 5.0
    hold_seconds: float = 60.0

    @property
    def names_all_sensors(self) -> bool:
        """Whether the file says of each sensor where it comes from; of folders it does not."""
        return all(source.kind != "folder" for source in self.sources)


def read_configuration(path: Path) -> Configuration:
    """Read and check the file.

    Raises:
        CollectError: it cannot be read, or something in it cannot be; the message names the file and the place.
    """
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise CollectError(f"{path} has more than {FILE_BYTES_MAX} bytes")
        said = yaml.safe_load(path.read_text())
    except OSError as error:
        raise CollectError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise CollectError(f"{path} is no YAML" + (f": line {mark.line + 1}" if mark else "")) from None
    top = _members(said, f"{path}", _TOP, ("scheduler", "sources"))
    sources = top["sources"]
    if not isinstance(sources, list) or not sources:
        raise CollectError(f"{path}, sources: a list of one at least")
    default = path.with_suffix(".spool")
    return Configuration(
        scheduler=_text(top["scheduler"], f"{path}, scheduler"),
        spool=Path(top["spool"]) if "spool" in top else default,
        sources=tuple(_source(source, f"{path}, source {n}") for n, source in enumerate(sources, 1)),
        endpoint=top.get("endpoint"),
        region=top.get("region"),
        settle_seconds=_number(top.get("settle_seconds", 5.0), f"{path}, settle_seconds"),
        hold_seconds=_number(top.get("hold_seconds", 60.0), f"{path}, hold_seconds"),
    )


def _source(said: Any, where: str) -> SourceText:
    if not isinstance(said, dict) or len(said) != 1 or next(iter(said)) not in _KINDS:
        raise CollectError(f"{where}: one of {', '.join(_KINDS)}, with its members below")
    ((kind, members),) = said.items()
    return _READ[kind](members, f"{where} ({kind})")


def _mqtt(said: Any, where: str) -> SourceText:
    members = _members(said, where, _MQTT, ("host", "client_id", "topics"))
    if members.get("version", 5) not in {3, 5}:
        raise CollectError(f"{where}: version is 3 (for 3.1.1) or 5, not {members['version']!r}")
    _check_pair(members, where)
    if members.get("tls") is False and ("ca_file" in members or "certificate" in members):
        raise CollectError(f"{where}: ca_file and certificate are for 'tls: true'")
    if not isinstance(members["topics"], list) or not members["topics"]:
        raise CollectError(f"{where}, topics: a list of one at least")
    topics = []
    for number, topic in enumerate(members["topics"], 1):
        here = f"{where}, topic {number}"
        one = _members(topic, here, _TOPIC, ("topic", "format", "values"))
        if one["format"] not in {"json", "sparkplug"}:
            raise CollectError(f"{here}: format is json or sparkplug, not {one['format']!r}")
        if one["format"] == "sparkplug" and "time" in one:
            raise CollectError(f"{here}: Sparkplug messages have their time themselves")
        values = _values(one["values"], here)
        topics.append(TopicText(_text(one["topic"], here), one["format"], one.get("time"), values))
    return SourceText("mqtt", _resolved(members, where), tuple(topics))


def _opcua(said: Any, where: str) -> SourceText:
    members = _members(said, where, _OPCUA, ("url", "values"))
    if not str(members["url"]).startswith("opc.tcp://"):
        raise CollectError(f"{where}: url begins with opc.tcp://, not {members['url']!r}")
    _check_pair(members, where)
    if "server_certificate" in members and "certificate" not in members:
        raise CollectError(f"{where}: server_certificate is for an encrypted session, with certificate and private_key")
    return SourceText("opcua", _resolved({**members, "values": _values(members["values"], where)}, where))


def _check_pair(members: Mapping[str, Any], where: str) -> None:
    if ("certificate" in members) != ("private_key" in members):
        raise CollectError(f"{where}: certificate and private_key belong together")


def _folder(said: Any, where: str) -> SourceText:
    return SourceText("folder", _members(said, where, _FOLDER, ("path",)))


def _members(said: Any, where: str, known: tuple[str, ...], needed: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise CollectError(f"{where}: it has the members {', '.join(known)}")
    for name in said:
        if name not in known:
            raise CollectError(f"{where}: there is no '{name}'; there are {', '.join(known)}")
    for name in needed:
        if name not in said:
            raise CollectError(f"{where}: '{name}' is missing")
    return said


def _values(said: Any, where: str) -> Values:
    if not isinstance(said, dict) or not said:
        raise CollectError(f"{where}, values: a mapping from what is read to component\\sensor")
    for key, sensor in said.items():
        if not isinstance(sensor, str) or "\\" not in sensor:
            raise CollectError(f"{where}, values, '{key}': {sensor!r} is no component\\sensor")
    return {str(key): sensor for key, sensor in said.items()}


def _resolved(members: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Take a password from where `env:NAME` or `file:PATH` says it is."""
    said = members.get("password")
    if said is None:
        return dict(members)
    password = str(said)
    if password.startswith("env:"):
        name = password.removeprefix("env:")
        if name not in os.environ:
            raise CollectError(f"{where}: the environment variable {name} of the password is not set")
        password = os.environ[name]
    elif password.startswith("file:"):
        path = Path(password.removeprefix("file:"))
        try:
            password = path.read_text().splitlines()[0].strip()
        except (OSError, UnicodeDecodeError, IndexError):
            raise CollectError(f"{where}: the file {path} of the password cannot be read, or is empty") from None
    return {**members, "password": password}


def _text(said: Any, where: str) -> str:
    if not isinstance(said, str) or not said:
        raise CollectError(f"{where}: a text, not {said!r}")
    return said


def _number(said: Any, where: str) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or said < 0:
        raise CollectError(f"{where}: a number of seconds, not {said!r}")
    return float(said)


_READ: dict[str, Callable[[Any, str], SourceText]] = {"mqtt": _mqtt, "opcua": _opcua, "folder": _folder}
