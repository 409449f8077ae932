"""Sparkplug B: payloads of edge nodes and devices, as far as readings need them.

The message is built here from the specification's field numbers. A metric is named at birth and known by its alias
afterwards; where an alias is not known, the node is asked to be born again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from openlookout.collect.values import BadValue, number

_PACKAGE = "openlookout.sparkplug"
_FIELD = descriptor_pb2.FieldDescriptorProto
# Sparkplug B, payload and metric: name, field number, type.
_METRIC = (
    ("name", 1, _FIELD.TYPE_STRING),
    ("alias", 2, _FIELD.TYPE_UINT64),
    ("timestamp", 3, _FIELD.TYPE_UINT64),
    ("datatype", 4, _FIELD.TYPE_UINT32),
    ("is_historical", 5, _FIELD.TYPE_BOOL),
    ("is_null", 7, _FIELD.TYPE_BOOL),
    ("int_value", 10, _FIELD.TYPE_UINT32),
    ("long_value", 11, _FIELD.TYPE_UINT64),
    ("float_value", 12, _FIELD.TYPE_FLOAT),
    ("double_value", 13, _FIELD.TYPE_DOUBLE),
    ("boolean_value", 14, _FIELD.TYPE_BOOL),
    ("string_value", 15, _FIELD.TYPE_STRING),
)
_VALUES = ("int_value", "long_value", "float_value", "double_value", "boolean_value", "string_value")
# Data types whose value is signed, in an unsigned field: their bits.
_SIGNED_BITS = {1: 32, 2: 32, 3: 32, 4: 64}
REBIRTH = "Node Control/Rebirth"
BOOLEAN = 11


@dataclass(frozen=True)
class Topic:
    """namespace/group/kind/node[/device]."""

    group: str
    kind: str
    node: str
    device: str | None

    @property
    def edge(self) -> str:
        return f"{self.group}/{self.node}"

    @property
    def command(self) -> str:
        """Where the node takes commands."""
        return f"spBv1.0/{self.group}/NCMD/{self.node}"


@dataclass(frozen=True)
class Metric:
    """`name`: `node/metric` or `node/device/metric`. `time_ms` of None: the payload has none."""

    name: str
    time_ms: int | None
    value: float | None
    is_historical: bool


@dataclass
class Births:
    """The names of aliases, by edge node and device."""

    _names: dict[tuple[str, str | None], dict[int, str]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    """Edge nodes that sent an alias which is not known; whoever asks them takes them out."""

    def metrics(self, topic: Topic, payload: bytes) -> list[Metric]:
        """Read the metrics of a BIRTH or DATA message.

        Raises:
            BadValue: the payload is no Sparkplug B.
        """
        message = _payload_class()()
        try:
            message.ParseFromString(payload)
        except DecodeError:
            raise BadValue("the payload is no Sparkplug B") from None
        key = (topic.edge, topic.device)
        if topic.kind in {"NBIRTH", "DBIRTH"}:
            self._names[key] = {m.alias: m.name for m in message.metrics if m.HasField("alias") and m.name}
        return list(self._read(topic, message, self._names.setdefault(key, {})))

    def _read(self, topic: Topic, message: Any, names: dict[int, str]) -> Iterator[Metric]:
        for metric in message.metrics:
            name = metric.name or names.get(metric.alias)
            if name is None:
                self.unknown.add(topic.edge)
                continue
            full = "/".join(part for part in (topic.node, topic.device, name) if part)
            time_ms = metric.timestamp or message.timestamp or None
            yield Metric(full, time_ms, _value(metric), metric.is_historical)


def parse_topic(text: str) -> Topic | None:
    """Read a topic; None for one that is no Sparkplug message of a node or a device."""
    parts = text.split("/")
    if len(parts) not in {4, 5} or parts[0] != "spBv1.0":
        return None
    return Topic(parts[1], parts[2], parts[3], parts[4] if len(parts) == 5 else None)


def rebirth(time_ms: int) -> bytes:
    """The command that asks a node to be born again."""
    message = _payload_class()()
    message.timestamp = time_ms
    metric = message.metrics.add()
    metric.name, metric.timestamp, metric.datatype, metric.boolean_value = REBIRTH, time_ms, BOOLEAN, True
    return bytes(message.SerializeToString())


def _value(metric: Any) -> float | None:
    there = next((name for name in _VALUES if metric.HasField(name)), None)
    if there is None or metric.is_null:
        return None
    said = getattr(metric, there)
    bits = _SIGNED_BITS.get(metric.datatype)
    if bits is not None and there in {"int_value", "long_value"} and said >= 1 << (bits - 1):
        said -= 1 << bits
    return number(said)


@lru_cache(maxsize=1)
def _payload_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="sparkplug_b.proto", package=_PACKAGE, syntax="proto2")
    metric = file.message_type.add(name="Metric")
    for name, number_, kind in _METRIC:
        metric.field.add(name=name, number=number_, type=kind, label=_FIELD.LABEL_OPTIONAL)
    payload = file.message_type.add(name="Payload")
    payload.field.add(name="timestamp", number=1, type=_FIELD.TYPE_UINT64, label=_FIELD.LABEL_OPTIONAL)
    payload.field.add(
        name="metrics",
        number=2,
        type=_FIELD.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.Metric",
        label=_FIELD.LABEL_REPEATED,
    )
    payload.field.add(name="seq", number=3, type=_FIELD.TYPE_UINT64, label=_FIELD.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))
