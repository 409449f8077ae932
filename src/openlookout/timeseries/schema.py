"""The schema of a dataset: which components it has and which sensors each of them.

Knows the JSON text that clients send and read. Knows no files and no arrays: the API loads this module.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

COMPONENTS_MAX = 3000
SENSORS_MAX = 3000
COMPONENT_NAME = re.compile(r"[0-9a-zA-Z._\-]{1,200}")
SENSOR_NAME = re.compile(r"[0-9a-zA-Z:#$.\-_]{1,200}")


class SchemaError(Exception):
    """The text is not a schema, or asks for what the dataset does not have; the message names component and column."""


@dataclass(frozen=True)
class Component:
    """One component of the machine: its name, the name of its timestamp column, and its sensors in column order."""

    name: str
    timestamp: str
    sensors: tuple[str, ...]

    @property
    def full_names(self) -> tuple[str, ...]:
        """The sensors as the rest of the service names them: component, one backslash, sensor."""
        return tuple(f"{self.name}\\{sensor}" for sensor in self.sensors)


def parse_schema(text: str) -> tuple[Component, ...]:
    """Read an InlineDataSchema: at least one component, each with a DATETIME column first and DOUBLE columns after it.

    Raises:
        SchemaError: the text is not such a JSON document, a name is not allowed or repeated, or a limit is passed.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"not JSON: {error}") from None
    listed = document.get("Components") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not listed:
        raise SchemaError('a JSON object with a non-empty list "Components" is needed')
    if len(listed) > COMPONENTS_MAX:
        raise SchemaError(f"{len(listed)} components, {COMPONENTS_MAX} are the limit")
    components = tuple(_component(entry, position) for position, entry in enumerate(listed, 1))
    repeated = _first_repeated(component.name for component in components)
    if repeated is not None:
        raise SchemaError(f"component '{repeated}' is listed twice")
    n_sensors = sum(len(component.sensors) for component in components)
    if n_sensors > SENSORS_MAX:
        raise SchemaError(f"{n_sensors} sensors, {SENSORS_MAX} are the limit")
    return components


def schema_text(components: Sequence[Component]) -> str:
    """Write the schema as JSON that `parse_schema` reads.

    Clients eval() it as Python, so it never holds true, false or null.
    """
    document = {
        "Components": [
            {
                "ComponentName": component.name,
                "Columns": [
                    {"Name": component.timestamp, "Type": "DATETIME"},
                    *({"Name": sensor, "Type": "DOUBLE"} for sensor in component.sensors),
                ],
            }
            for component in components
        ]
    }
    return json.dumps(document)


def subset(whole: Sequence[Component], wanted: Sequence[Component]) -> tuple[Component, ...]:
    """Give the wanted components and sensors, in the order they are wanted, with the dataset's timestamp columns.

    Raises:
        SchemaError: a wanted component or sensor is not in the dataset.
    """
    known = {component.name: component for component in whole}
    chosen = []
    for component in wanted:
        if component.name not in known:
            raise SchemaError(f"component '{component.name}' is not in the dataset, which has {_some(known)}")
        there = known[component.name]
        unknown = set(component.sensors).difference(there.sensors)
        if unknown:
            raise SchemaError(
                f"component '{component.name}' has no sensor {_some(sorted(unknown))} in the dataset, "
                f"which has {_some(there.sensors)}"
            )
        chosen.append(Component(component.name, there.timestamp, component.sensors))
    return tuple(chosen)


def _component(entry: object, position: int) -> Component:
    """Check one entry of "Components"; `position` counts from 1 and names an entry that has no name."""
    if not isinstance(entry, dict):
        raise SchemaError(f"component {position} is not a JSON object")
    name = entry.get("ComponentName")
    if not isinstance(name, str) or not COMPONENT_NAME.fullmatch(name):
        raise SchemaError(
            f"component {position}: the ComponentName {_shown(name)} is not 1 to 200 of the characters "
            "0-9 a-z A-Z . _ -"
        )
    columns = entry.get("Columns")
    if not isinstance(columns, list) or len(columns) < 2:
        raise SchemaError(f"component '{name}': a list \"Columns\" with a timestamp and at least one sensor is needed")
    if len(columns) > SENSORS_MAX + 1:
        raise SchemaError(f"component '{name}': {len(columns) - 1} sensors, {SENSORS_MAX} are the limit")
    names = tuple(_column(column, name, "DOUBLE" if index else "DATETIME") for index, column in enumerate(columns))
    repeated = _first_repeated(names)
    if repeated is not None:
        raise SchemaError(f"component '{name}': column '{repeated}' is listed twice")
    return Component(name, names[0], names[1:])


def _column(column: object, component: str, needed: str) -> str:
    """Check one column and give its name; the first must be DATETIME, every other DOUBLE."""
    if not isinstance(column, dict):
        raise SchemaError(f"component '{component}': a column is not a JSON object: {_shown(column)}")
    name, kind = column.get("Name"), column.get("Type")
    if not isinstance(name, str) or not SENSOR_NAME.fullmatch(name):
        raise SchemaError(
            f"component '{component}': the column name {_shown(name)} is not 1 to 200 of the characters "
            "0-9 a-z A-Z : # $ . - _"
        )
    if kind != needed:
        place = "the first column is the timestamp" if needed == "DATETIME" else "only the first column is a timestamp"
        raise SchemaError(
            f"component '{component}', column '{name}': Type is {_shown(kind)}, {needed} is needed: {place}"
        )
    return name


def _first_repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _shown(value: object) -> str:
    """Quote what the client sent, cut to a length that fits a message."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _some(names: Iterable[str]) -> str:
    """Name the first few and say how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return ", ".join(f"'{name}'" for name in listed[:5]) + more
