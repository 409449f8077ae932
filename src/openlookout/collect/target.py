"""Where readings go: the input files of a scheduler, named and cut as it expects them. Knows no bucket."""

import csv
import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from openlookout.api.instants import as_text, from_microseconds
from openlookout.collect.errors import CollectError

_FORMATS = {"yyyy-MM-dd-HH-mm-ss": "%Y-%m-%d-%H-%M-%S", "yyyyMMddHHmmss": "%Y%m%d%H%M%S"}
_MINUTES = {"PT5M": 5, "PT10M": 10, "PT15M": 15, "PT30M": 30, "PT1H": 60}


class Writer(Protocol):
    """A bucket, as much of it as is needed."""

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Write an object: a reader sees the old one or the new one, never a part."""
        ...


@dataclass(frozen=True)
class Target:
    """The input of one scheduler. `sensors`: of each component that its model has, in its order."""

    scheduler: str
    bucket: str
    prefix: str
    delimiter: str
    timestamp_format: str
    offset: timedelta
    window_us: int
    delay_us: int
    sensors: Mapping[str, Sequence[str]]

    def key(self, component: str, start_us: int) -> str:
        """The key of the file of a component's window, by the time at which the window begins."""
        if self.timestamp_format == "EPOCH":
            text = str(start_us // 1_000_000)
        else:
            local = from_microseconds(start_us) + self.offset
            text = local.strftime(_FORMATS[self.timestamp_format])
        return f"{self.prefix}{component}{self.delimiter}{text}.csv"

    def text(self, component: str, readings: Sequence[tuple[int, str, float | None]]) -> bytes:
        """The file of readings (time, sensor, value) in time order: a row for each time, an empty cell for none."""
        sensors = list(self.sensors[component])
        column = {sensor: number for number, sensor in enumerate(sensors)}
        rows: dict[int, list[str]] = {}
        for time_us, sensor, value in readings:
            if sensor in column:
                row = rows.setdefault(time_us, [""] * len(sensors))
                row[column[sensor]] = "" if value is None else repr(value)
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["timestamp", *sensors])
        for time_us, cells in rows.items():
            writer.writerow([as_text(time_us), *cells])
        return out.getvalue().encode()


def find_target(client: Any, scheduler: str) -> Target:
    """Ask the API for a scheduler's input and for its model's sensors.

    Raises:
        CollectError: there is no such scheduler, or the API does not answer.
    """
    try:
        found = client.describe_inference_scheduler(InferenceSchedulerName=scheduler)
        described = client.describe_model(ModelName=found["ModelName"])
    except ClientError as error:
        said = error.response.get("Error", {})
        raise CollectError(f"scheduler '{scheduler}': {said.get('Message') or said.get('Code')}") from None
    except BotoCoreError as error:
        raise CollectError(f"the API does not answer: {error}") from None
    place = found["DataInputConfiguration"]["S3InputConfiguration"]
    naming = found["DataInputConfiguration"].get("InferenceInputNameConfiguration", {})
    offset = found["DataInputConfiguration"].get("InputTimeZoneOffset", "+00:00")
    return Target(
        scheduler=scheduler,
        bucket=place["Bucket"],
        prefix=place.get("Prefix", ""),
        delimiter=naming.get("ComponentTimestampDelimiter", "_"),
        timestamp_format=naming.get("TimestampFormat", "yyyyMMddHHmmss"),
        offset=_offset(offset),
        window_us=_MINUTES[found["DataUploadFrequency"]] * 60_000_000,
        delay_us=found.get("DataDelayOffsetInMinutes", 0) * 60_000_000,
        sensors=_sensors(described["Schema"]),
    )


def check_names(target: Target, names: Collection[str]) -> list[str]:
    """Give sentences for sensors of the model that nothing is collected for.

    Raises:
        CollectError: something is collected for a sensor that the model does not have.
    """
    known = [f"{component}\\{sensor}" for component, sensors in target.sensors.items() for sensor in sensors]
    for name in names:
        if name not in known:
            raise CollectError(f"'{name}' is no sensor of the model of scheduler '{target.scheduler}': {_some(known)}")
    missing = [name for name in known if name not in names]
    return [f"nothing is collected for {_some(missing)}"] if missing else []


def _sensors(schema: str) -> dict[str, list[str]]:
    return {
        component["ComponentName"]: [column["Name"] for column in component["Columns"] if column["Type"] == "DOUBLE"]
        for component in json.loads(schema)["Components"]
    }


def _offset(text: str) -> timedelta:
    sign = -1 if text.startswith("-") else 1
    return sign * timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
