"""The input of one inference: which files belong to its window, told from their names, and the rows in it.

Knows names and streams. Knows no bucket and no scheduler: keys come listed, streams opened.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

import polars as pl

from openlookout.api.instants import from_microseconds, to_microseconds
from openlookout.timeseries.columnar import Readings, from_frame
from openlookout.timeseries.parquet import SUFFIX as PARQUET_SUFFIX
from openlookout.timeseries.parquet import open_sensor_file
from openlookout.timeseries.runs import sorted_unique
from openlookout.timeseries.schema import Component
from openlookout.timeseries.sensor_file import TIME, Allowance, BadHeader, NotIngestible, UnpackedTooMuch

_FORMATS = {"yyyy-MM-dd-HH-mm-ss": "%Y-%m-%d-%H-%M-%S", "yyyyMMddHHmmss": "%Y%m%d%H%M%S"}
_SHAPES = {
    "EPOCH": re.compile(r"[0-9]{9,11}|[0-9]{13}"),
    "yyyy-MM-dd-HH-mm-ss": re.compile(r"[0-9]{4}(-[0-9]{2}){5}"),
    "yyyyMMddHHmmss": re.compile(r"[0-9]{14}"),
}
_DELIMITERS = ("-", "_", " ", "")
_SUFFIXES = (".csv.gz", ".csv", PARQUET_SUFFIX)


class MissingInput(Exception):
    """A component has no file in the window; the message is the sentence that an execution shows."""

    def __init__(self, component: str, message: str) -> None:
        super().__init__(message)
        self.component = component


class InvalidInput(Exception):
    """A file of the window cannot be read; the message names it and says why."""


@dataclass(frozen=True)
class InputNames:
    """How input files are called: `<prefix><component><delimiter><time>.csv`, `.csv.gz` or `.parquet`.

    A delimiter or format of None was not configured: then any is taken. `offset` is what the time in names is ahead of
    UTC; it changes neither EPOCH names nor the times inside files.
    """

    prefix: str
    delimiter: str | None = None
    timestamp_format: str | None = None
    offset: timedelta = timedelta()


@dataclass(frozen=True)
class Window:
    """The rows (start_us, end_us] of one execution; files named up to `frequency_us` outside may hold some of them."""

    start_us: int
    end_us: int
    frequency_us: int


def parse_offset(text: str) -> timedelta:
    """Read an InputTimeZoneOffset such as +05:30."""
    sign = -1 if text.startswith("-") else 1
    return sign * timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))


def name_time(text: str, names: InputNames) -> int | None:
    """Read the time part of a name as microseconds since the epoch, UTC; None for a text of another form."""
    for form, shape in _SHAPES.items():
        if names.timestamp_format not in (None, form) or not shape.fullmatch(text):
            continue
        if form == "EPOCH":
            return int(text) * (1000 if len(text) == 13 else 1_000_000)
        digits = text.replace("-", "")
        try:  # Not strptime, which takes twenty times as long: a year has a hundred thousand names.
            local = datetime(int(digits[:4]), *(int(digits[i : i + 2]) for i in range(4, 14, 2)), tzinfo=UTC)  # type: ignore[misc,arg-type]
        except ValueError:
            continue
        return to_microseconds(local - names.offset)
    return None


def window_keys(
    keys: Sequence[str], components: Sequence[str], names: InputNames, window: Window, bucket: str
) -> dict[str, tuple[str, ...]]:
    """Give the keys to read for each component, by the time in their name, earliest first.

    Raises:
        MissingInput: a component has none; the first in order is named.
    """
    files = window_files(keys, components, names, window)
    check_all_found(files, names, window, bucket)
    return {component: tuple(key for _, key in found) for component, found in files.items()}


def window_files(
    keys: Iterable[str], components: Sequence[str], names: InputNames, window: Window
) -> dict[str, list[tuple[int, str]]]:
    """Give time and key of the files of each component that may hold rows of the window, earliest first.

    Names from one frequency before the window to one after it count, both ends included.
    """
    earliest, latest = window.start_us - window.frequency_us, window.end_us + window.frequency_us
    found: dict[str, list[tuple[int, str]]] = {component: [] for component in components}
    longest_first = sorted(components, key=len, reverse=True)
    for key in keys:
        for component, time in readings_of_name(key, longest_first, names):
            # Not the first that gives a time: without a delimiter, digits of the time may end another name.
            if earliest <= time <= latest:
                found[component].append((time, key))
                break
    return {component: sorted(files) for component, files in found.items()}


def readings_of_name(key: str, longest_first: Sequence[str], names: InputNames) -> Iterator[tuple[str, int]]:
    """Give the components, of those ordered by the length of their names, that a key can be a file of, and its time."""
    for component in longest_first:
        time = _time_of(key, component, names)
        if time is not None:
            yield component, time


def check_all_found(
    files: Mapping[str, Sequence[tuple[int, str]]], names: InputNames, window: Window, bucket: str
) -> None:
    """Raises MissingInput: a component has no file; the first in order is named."""
    for component, found in files.items():
        if not found:
            raise MissingInput(component, missing_sentence(component, names, window, bucket))


def missing_sentence(component: str, names: InputNames, window: Window, bucket: str) -> str:
    """Say what was expected, in the service's words, with the bucket it left out and the prefix only once."""
    first = _name(component, names, window.start_us - window.frequency_us)
    last = _name(component, names, window.end_us + window.frequency_us)
    start, end = (f"{from_microseconds(at):%Y-%m-%dT%H:%M:%SZ}" for at in (window.start_us, window.end_us))
    return (
        f"Could not find data file for sensor {component} within expected range of ({start}, {end}]. "
        "Please ensure data is present for all sensors of the machine under prefix "
        f"'s3://{bucket}/{first}' ~ 's3://{bucket}/{last}'"
    )


def read_window(
    files: Sequence[tuple[str, BinaryIO]], component: Component, window: Window, allowance: Allowance | None = None
) -> Readings:
    """Read the rows of one component in the window from its files (key and stream), in their order.

    Of rows with the same time the last wins. A sensor without a column has no reading. A file that is not what its
    name says is passed over while another can be read.

    Raises:
        InvalidInput: a header is malformed, no file can be read, or the compressed ones unpack to more than allowed.
    """
    inside = pl.col(TIME).is_between(window.start_us, window.end_us, closed="right")
    frames: list[pl.DataFrame] = []
    unreadable: list[str] = []
    for key, stream in files:
        try:
            file = open_sensor_file(key, stream, allowance=allowance)
            frames += [chunk.readings.filter(inside) for chunk in file.chunks(component.sensors)]
        except BadHeader as error:
            raise InvalidInput(str(error)) from None
        except UnpackedTooMuch as error:
            raise InvalidInput(f"{error} of an execution; that was seen in file '{key}'.") from None
        except NotIngestible as error:
            unreadable.append(f"file '{key}': {error}")
    if len(unreadable) == len(files):
        raise InvalidInput("; ".join(unreadable[:3]) or f"component '{component.name}' has no file")
    empty = pl.DataFrame(schema={TIME: pl.Int64} | dict.fromkeys(component.sensors, pl.Float64))
    rows = sorted_unique(pl.concat([empty, *frames], how="diagonal"))
    return from_frame(rows.select(TIME, *component.sensors), component.full_names)


def _time_of(key: str, component: str, names: InputNames) -> int | None:
    """Read the time from a key of this component; None for a key of anything else."""
    if not key.startswith(names.prefix + component):
        return None
    rest = key[len(names.prefix) + len(component) :]
    suffix = next((suffix for suffix in _SUFFIXES if rest.lower().endswith(suffix)), None)
    if suffix is None:
        return None
    rest = rest[: -len(suffix)]
    for delimiter in _DELIMITERS if names.delimiter is None else (names.delimiter,):
        time = name_time(rest[len(delimiter) :], names) if rest.startswith(delimiter) else None
        if time is not None:
            return time
    return None


def _name(component: str, names: InputNames, time_us: int) -> str:
    """Give the key of a file without its suffix; what is not configured is shown as the service did it."""
    form = names.timestamp_format or "yyyyMMddHHmmss"
    local = from_microseconds(time_us) + names.offset
    text = str(time_us // 1_000_000) if form == "EPOCH" else local.strftime(_FORMATS[form])
    return f"{names.prefix}{component}{'_' if names.delimiter is None else names.delimiter}{text}"
