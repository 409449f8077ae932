"""The record of what speaks for an event, as it is stored and shown. Knows texts and numbers only, no arrays."""

from collections.abc import Mapping
from typing import Literal, TypedDict

SENSORS_MAX = 15

Kind = Literal["machine", "instrument", "unseen_mode"]


class SensorEvidence(TypedDict):
    """One sensor's part; `measured`, `expected`, `low` and `high` of the row where it deviated most, in its units."""

    sensor: str
    contribution: float
    onset: str | None
    measured: float | None
    expected: float | None
    low: float | None
    high: float | None


class Evidence(TypedDict):
    """The record of an event. `onset_order`: sensors by when they first deviated for good."""

    kind: Kind
    reason: str
    onset_order: list[str]
    sensors: list[SensorEvidence]


def gone_on(earlier: Evidence | None, later: Evidence, shares: Mapping[str, float]) -> Evidence:
    """The record of an event that went on: `later` was judged from its begin; `shares` are those of the whole event.

    Of each sensor the row stays in which it deviated most, in widths of its band.
    """
    sensors = {each["sensor"]: each for each in later["sensors"]}
    for each in [] if earlier is None else earlier["sensors"]:
        name = each["sensor"]
        if name not in sensors:
            sensors[name] = each
        elif _off(each) > _off(sensors[name]):
            sensors[name] = each | {"onset": sensors[name]["onset"]}
    leading = sorted(sensors, key=lambda name: -shares.get(name, 0.0))[:SENSORS_MAX]
    merged = [sensors[name] | {"contribution": round(shares.get(name, 0.0), 5)} for name in leading]
    return later | {"sensors": merged}


def _off(sensor: SensorEvidence) -> float:
    if sensor["measured"] is None or sensor["expected"] is None:
        return -1.0
    width = (sensor["high"] or 0.0) - (sensor["low"] or 0.0)
    return abs(sensor["measured"] - sensor["expected"]) / max(width, 1e-300)
