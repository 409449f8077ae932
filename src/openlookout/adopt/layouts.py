"""What CSV and Parquet files without any explanation are: training data by a key pattern, labels, or input."""

import io
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import polars as pl

from openlookout.adopt.leftovers import Place
from openlookout.api.instants import from_microseconds
from openlookout.buckets.errors import BucketError
from openlookout.timeseries.csv import CsvFile
from openlookout.timeseries.inference_input import InputNames, name_time
from openlookout.timeseries.labels import LabelError, parse_labels
from openlookout.timeseries.parquet import SUFFIX as PARQUET_SUFFIX
from openlookout.timeseries.parquet import ParquetFile
from openlookout.timeseries.schema import COMPONENT_NAME
from openlookout.timeseries.sensor_file import TIME, BadHeader, NotIngestible
from openlookout.timeseries.timestamps import parse_timestamps

HEAD_BYTES = 1 << 16
SUFFIX = re.compile(r"\.(csv(\.gz)?|parquet)$", re.IGNORECASE)
# An input file: component, delimiter, and a time in one of the forms.
INPUT_NAME = re.compile(r"(.+?)([-_ ]?)(\d{4}(?:-\d{2}){5}|\d{14}|\d{9,10}|\d{13})")
FORMS = {14: "yyyyMMddHHmmss", 19: "yyyy-MM-dd-HH-mm-ss"}
DELIMITERS = ("_", "-", " ")
LABEL_BYTES_MAX = 5_000_000
# The largest listing is looked into here and there: what a folder holds, a few of its files tell.
LOOKED_INTO_MAX = 40


@dataclass(frozen=True)
class Sheet:
    """One CSV file of a place. `sensors`: its header; `labels`: it holds labels instead; `first`: its first row."""

    place: str
    key: str
    sensors: tuple[str, ...] = ()
    labels: tuple[tuple[datetime, datetime], ...] = ()
    first: datetime | None = None
    last: datetime | None = None

    @property
    def folder(self) -> str:
        return self.key.rpartition("/")[0]

    @property
    def stem(self) -> str:
        return SUFFIX.sub("", self.key.rpartition("/")[2])


@dataclass(frozen=True)
class Training:
    """Files of one dataset: where they are, by which pattern, and what was seen of them."""

    prefix: str
    key_pattern: str
    components: Mapping[str, tuple[str, ...]]
    n_files: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True)
class Inference:
    """Input files of one scheduler, and how they are called."""

    prefix: str
    delimiter: str
    timestamp_format: str
    components: frozenset[str]
    first: datetime
    last: datetime
    step_seconds: int


def look_into(place: Place, keys: Sequence[str], problems: list[str]) -> list[Sheet]:
    """Give what CSV files are; those that are nothing are named among the problems."""
    by_folder: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        by_folder[key.rpartition("/")[0]].append(key)
    sheets = []
    for found in by_folder.values():
        step = max(1, len(found) // LOOKED_INTO_MAX)
        chosen = dict.fromkeys([*found[::step], found[-1]])
        for key in chosen:
            look = _parquet_sheet if key.lower().endswith(PARQUET_SUFFIX) else _sheet
            sheet = look(place, key, problems)
            if sheet is not None:
                sheets.append(sheet)
    return sheets


def _sheet(place: Place, key: str, problems: list[str]) -> Sheet | None:
    try:
        with place.open(key) as stream:
            head = stream.read(HEAD_BYTES)
    except BucketError as error:
        problems.append(f"{key}: cannot be read: {error}")
        return None
    labels = _labels(place, key, head)
    if labels is not None:
        return Sheet(place.shown, key, labels=labels)
    try:
        whole = io.BytesIO(head if len(head) < HEAD_BYTES or head[:2] == b"\x1f\x8b" else head.rpartition(b"\n")[0])
        file = CsvFile(key, whole)
        sensors = file.header.sensors
        first = last = None
        for chunk in _chunks(file):
            times = chunk["@time"]
            if len(times):
                first = first or from_microseconds(int(times[0]))
                last = from_microseconds(int(times[-1]))
    except BadHeader as error:
        problems.append(str(error))
        return None
    except NotIngestible as error:
        problems.append(f"{key}: {error}")
        return None
    if first is None:
        problems.append(f"{key}: its first column holds no times that can be read; it is left out of account")
        return None
    return Sheet(place.shown, key, sensors, first=first, last=_last_time(place, key, head) or last)


def _chunks(file: CsvFile) -> Iterator[pl.DataFrame]:
    """The rows; of a gzip file only the head is there, and where that breaks off is no fault."""
    try:
        for chunk in file.chunks():
            yield chunk.readings
    except NotIngestible:
        return


def _parquet_sheet(place: Place, key: str, problems: list[str]) -> Sheet | None:
    """What a Parquet file is; to tell it, all of its times are read."""
    try:
        with place.open(key) as stream:
            file = ParquetFile(key, stream)
        times = pl.concat([pl.Series([], dtype=pl.Int64), *(chunk.readings[TIME] for chunk in file.chunks(()))])
    except BadHeader as error:
        problems.append(str(error))
    except NotIngestible as error:
        problems.append(f"{key}: {error}")
    except BucketError as error:
        problems.append(f"{key}: cannot be read: {error}")
    else:
        if len(times):
            return Sheet(
                place.shown,
                key,
                file.header.sensors,
                (),
                from_microseconds(int(times[0])),
                from_microseconds(int(times[-1])),
            )
        problems.append(f"{key}: it has no row whose timestamp can be read")
    return None


def _labels(place: Place, key: str, head: bytes) -> tuple[tuple[datetime, datetime], ...] | None:
    """Give the labels of a file whose lines are two times each; None when they are not."""
    lines = [line for line in head.decode("utf-8", "replace").splitlines()[:3] if line.strip()]
    if not lines or len(lines[-1].split(",")) < 2 or not all(_is_time(cell) for cell in lines[-1].split(",")[:2]):
        return None
    try:
        content = place.read(key, LABEL_BYTES_MAX)
        return tuple((from_microseconds(start), from_microseconds(end)) for start, end in parse_labels(key, content))
    except (LabelError, BucketError):
        return None


def _is_time(cell: str) -> bool:
    text = cell.strip().strip('"')
    if re.match(r"\d{1,2}/\d{1,2}/\d{4} \d", text):
        return True
    return bool(re.search(r"\d{4}.?\d{2}", text)) and parse_timestamps(pl.Series([text]), None)[0][0] is not None


def _last_time(place: Place, key: str, head: bytes) -> datetime | None:
    """The time of the last row, read from the end of a plain file."""
    if head[:2] == b"\x1f\x8b" or len(head) < HEAD_BYTES:
        return None
    try:
        with place.open(key) as stream:
            stream.seek(-HEAD_BYTES // 4, io.SEEK_END)
            lines = stream.read().decode("utf-8", "replace").strip().splitlines()
    except (BucketError, OSError):
        return None
    cells = pl.Series([line.partition(",")[0].strip('"') for line in lines[1:]], dtype=pl.String)
    times = parse_timestamps(cells, None)[0].drop_nulls() if len(cells) else cells
    return from_microseconds(int(times[-1])) if len(times) else None


def input_folders(keys: Sequence[str]) -> dict[str, Inference]:
    """Give, by folder, the input files of schedulers: names that end in a time, more than one for a component."""
    by_folder: dict[str, list[tuple[str, str, str, int]]] = defaultdict(list)
    n_files: Counter[str] = Counter()
    for key in keys:
        folder, _, name = key.rpartition("/")
        n_files[folder] += 1
        match = INPUT_NAME.fullmatch(SUFFIX.sub("", name))
        if match is None or not COMPONENT_NAME.fullmatch(match[1]):
            continue
        at = name_time(match[3], InputNames(""))
        if at is not None:
            by_folder[folder].append((match[1], match[2], FORMS.get(len(match[3]), "EPOCH"), at))
    found = {}
    for folder, files in by_folder.items():
        components = Counter(component for component, *_ in files)
        if len(files) < 0.9 * n_files[folder] or max(components.values()) < 2:
            continue
        times = sorted({at for *_, at in files})
        steps = Counter(b - a for a, b in pairwise(times))
        form = Counter(form for _, _, form, _ in files).most_common(1)[0][0]
        delimiter = Counter(delimiter for _, delimiter, _, _ in files).most_common(1)[0][0]
        step = steps.most_common(1)[0][0] // 1_000_000
        first, last = from_microseconds(times[0]), from_microseconds(times[-1])
        prefix = f"{folder}/" if folder else ""
        found[folder] = Inference(prefix, delimiter, form, frozenset(components), first, last, step)
    return found


def training_sets(sheets: Sequence[Sheet], problems: list[str], known: Collection[str] = frozenset()) -> list[Training]:
    """Tell by which key pattern files of readings lie, and which of them belong together.

    `known` are components that something else names: a folder that is called so is one, if it has a single file too.
    """
    by_folder: dict[str, list[Sheet]] = defaultdict(list)
    for sheet in sheets:
        if sheet.sensors:
            by_folder[sheet.folder].append(sheet)
    by_parent: dict[str, list[str]] = defaultdict(list)
    for folder in by_folder:
        by_parent[folder.rpartition("/")[0] if folder else "/"].append(folder)
    found = []
    for parent, folders in sorted(by_parent.items()):
        in_folders = [folder for folder in folders if folder and _is_one_component(by_folder[folder])]
        alone = (
            len(in_folders) == 1
            and in_folders[0].rpartition("/")[2] not in known
            and _delimiter(by_folder[in_folders[0]]) is not None
        )
        if in_folders and not alone and COMPONENT_NAME.fullmatch(in_folders[0].rpartition("/")[2]):
            files = [sheet for folder in in_folders for sheet in by_folder[folder]]
            components = {folder.rpartition("/")[2]: by_folder[folder][0].sensors for folder in in_folders}
            prefix = f"{parent}/" if parent else ""
            found.append(_training(prefix, "{prefix}/{component_name}/*", components, files))
        else:
            in_folders = []
        for folder in (folder for folder in folders if folder not in in_folders):
            found.append(_flat(folder, by_folder[folder], problems))
    return found


def _is_one_component(sheets: Sequence[Sheet]) -> bool:
    """Whether all files have one header: then their folder is the component."""
    return len({sheet.sensors for sheet in sheets}) == 1


def _delimiter(sheets: Sequence[Sheet]) -> str | None:
    """The delimiter before which the name tells the component: files that share it share their header."""
    for delimiter in DELIMITERS:
        if not all(delimiter in sheet.stem for sheet in sheets):
            continue
        headers: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        for sheet in sheets:
            headers[sheet.stem.partition(delimiter)[0]].add(sheet.sensors)
        if all(len(each) == 1 for each in headers.values()) and (len(headers) < len(sheets) or len(sheets) == 1):
            return delimiter
    return None if len(sheets) > 1 and len({sheet.sensors for sheet in sheets}) == 1 else "."


def _flat(folder: str, sheets: Sequence[Sheet], problems: list[str]) -> Training:
    delimiter = _delimiter(sheets) or "."
    components: dict[str, tuple[str, ...]] = {}
    for sheet in sheets:
        name = sheet.stem if delimiter == "." else sheet.stem.partition(delimiter)[0]
        if name in components and components[name] != sheet.sensors:
            problems.append(f"{sheet.key}: its header differs from that of other files of component '{name}'")
        components.setdefault(name, sheet.sensors)
    prefix = f"{folder}/" if folder else ""
    return _training(prefix, f"{{prefix}}/{{component_name}}{delimiter}*", components, sheets)


def _training(
    prefix: str, pattern: str, components: Mapping[str, tuple[str, ...]], sheets: Sequence[Sheet]
) -> Training:
    firsts = [sheet.first for sheet in sheets if sheet.first is not None]
    lasts = [sheet.last for sheet in sheets if sheet.last is not None]
    return Training(prefix, pattern, components, len(sheets), min(firsts, default=None), max(lasts, default=None))
