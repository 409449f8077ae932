"""The sensors of a schema, by full name, and the part of a schema that has some of them alone."""

import json
from collections.abc import Sequence
from typing import Any

TIME_TYPE = "DATETIME"


def sensors_of(schema: str) -> list[str]:
    """Give the sensors of a schema, `component\\sensor` each.

    Raises:
        ValueError: it is no schema; the message says why.
    """
    return [
        f"{component['ComponentName']}\\{column['Name']}"
        for component in _components(schema)
        for column in component["Columns"]
        if column["Type"] != TIME_TYPE
    ]


def schema_of(schema: str, sensors: Sequence[str]) -> str:
    """Give the part of a dataset's schema that has these sensors and the timestamps of their components.

    Raises:
        ValueError: the dataset has no such sensor.
    """
    known = sensors_of(schema)
    unknown = next((name for name in sensors if name not in known), None)
    if unknown is not None:
        raise ValueError(f"the dataset has no sensor '{unknown}'")
    parts = []
    for component in _components(schema):
        columns = [
            column
            for column in component["Columns"]
            if column["Type"] == TIME_TYPE or f"{component['ComponentName']}\\{column['Name']}" in sensors
        ]
        if any(column["Type"] != TIME_TYPE for column in columns):
            parts.append({"ComponentName": component["ComponentName"], "Columns": columns})
    return json.dumps({"Components": parts})


def _components(schema: str) -> list[dict[str, Any]]:
    try:
        components = json.loads(schema)["Components"]
        return [
            {
                "ComponentName": str(one["ComponentName"]),
                "Columns": [{"Name": str(column["Name"]), "Type": str(column["Type"])} for column in one["Columns"]],
            }
            for one in components
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"it is no schema with Components and Columns: {error!r}") from None
