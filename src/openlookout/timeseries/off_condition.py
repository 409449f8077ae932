"""The off condition of a model: a sensor and a number that say when the machine is off.

Knows the text `component\\sensor < 10.0`. Knows no arrays: the API loads this module.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from openlookout.timeseries.schema import Component

_CONDITION = re.compile(
    r"\s*(?P<component>[0-9a-zA-Z._\-]{1,200})\\(?P<sensor>[0-9a-zA-Z:#$.\-_]{1,200})\s*"
    r"(?P<operator>[<>])\s*(?P<value>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*",
    re.ASCII,
)


class OffConditionError(Exception):
    """The text is not a condition, or its sensor is not in the schema."""


@dataclass(frozen=True)
class OffCondition:
    """The machine is off while the latest reading of the sensor is below (`<`) or above (`>`) the value."""

    component: str
    sensor: str
    operator: Literal["<", ">"]
    value: float

    @property
    def full_name(self) -> str:
        return f"{self.component}\\{self.sensor}"


def parse_off_condition(text: str, schema: Sequence[Component]) -> OffCondition:
    """Read `component\\sensor < number` or `> number`; the spaces are optional.

    Raises:
        OffConditionError: the text has another form, or the schema has no such component or sensor.
    """
    match = _CONDITION.fullmatch(text)
    value = float(match["value"]) if match else math.nan
    if match is None or not math.isfinite(value):
        shown = text if len(text) <= 120 else text[:117] + "..."
        raise OffConditionError(
            f"'{shown}' is not of the form component\\sensor < number or component\\sensor > number"
        )
    condition = OffCondition(match["component"], match["sensor"], cast(Literal["<", ">"], match["operator"]), value)
    component = next((component for component in schema if component.name == condition.component), None)
    if component is None:
        raise OffConditionError(f"'{text}': there is no component '{condition.component}'")
    if condition.sensor not in component.sensors:
        raise OffConditionError(f"'{text}': component '{component.name}' has no sensor '{condition.sensor}'")
    return condition
