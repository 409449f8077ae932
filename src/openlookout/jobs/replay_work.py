"""What children do for a replay: read the input of many windows at once, and score them in one go.

Two children take turns, so that one reads the next part while the other scores this one. Every result is, to the bit,
what an execution would have written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

from openlookout.api.instants import from_microseconds
from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError, BucketUnavailableError, ObjectNotFoundError
from openlookout.detection.recent import Explained
from openlookout.jobs.inference_work import check_files, input_names, open_version
from openlookout.jobs.live_scoring import Stretch, plain_events, score_stretch
from openlookout.jobs.live_state import LiveState, dump, restore
from openlookout.jobs.replay_files import FileIndex, Found, file_index
from openlookout.jobs.replay_readings import part_readings
from openlookout.jobs.results import evidence_lines, lines, results_parquet, scored_rows
from openlookout.jobs.version_files import VersionFiles
from openlookout.jobs.windows import window_of
from openlookout.timeseries.columnar import Readings, read_readings, readings_to_parquet
from openlookout.timeseries.inference_input import InvalidInput, Window, missing_sentence

PART_BYTES = 256 << 20
MINUTE_US = 60_000_000

Job = Mapping[str, Any]


def read_part(settings: BucketSettings, job: Job) -> dict[str, Any]:
    """Read the input of consecutive windows and write their readings as one part.

    Gives its prefix, and of each window that was read (the first ones, as many as fit) `inputs`, marks of its files;
    `n_readings`; where the files cannot be read `failed` with a sentence, and `is_missing` where there are none.
    """
    buckets = open_buckets(settings)
    names, bucket = input_names(job["input"]), job["input"]["S3InputConfiguration"]["Bucket"]
    try:
        version = open_version(settings, job["version_prefix"])
        components = tuple(component.name for component in version.schema)
        index = file_index(settings, bucket, names, components, job["index"])
        told: list[dict[str, Any]] = []
        chosen: list[Found] = []
        n_bytes = 0
        for start_us, end_us, reads_files, _kept in job["windows"]:
            window = Window(start_us, end_us, end_us - start_us)
            found = index.of_window(window) if reads_files else {}
            n_bytes += index.n_bytes(found) // 3  # Each is among those of three windows.
            if n_bytes > PART_BYTES and told:
                break
            one: dict[str, Any] = {"inputs": index.marks_of(found)}
            missing = next((component for component, numbers in found.items() if not numbers), None)
            if missing is not None:
                one |= {"failed": missing_sentence(missing, names, window, bucket), "is_missing": True}
            elif sentence := _too_much(index, found, job["limits"], window):
                one["failed"] = sentence
            told.append(one)
            chosen.append({} if "failed" in one else found)
        windows = job["windows"][: len(told)]
        prefix = layout.accumulated(job["model_id"], f"{job['id']}-{windows[0][0]}", job["attempt"])
        readings = part_readings(
            buckets,
            bucket,
            version.schema,
            index,
            windows=windows,
            chosen=chosen,
            told=told,
            sampling=version.sampling,
            rows_a_minute=job["limits"]["rows_a_minute"],
        )
        for component, read in zip(version.schema, readings, strict=True):
            buckets.write(SERVICE, layout.accumulated_part(prefix, component.name), readings_to_parquet(read))
    except BucketUnavailableError:
        raise
    except BucketError as error:
        return {"failed": f"The data cannot be read: {error}."}
    return {"prefix": prefix, "windows": told}


def _too_much(index: FileIndex, found: Found, limits: Mapping[str, int], window: Window) -> str | None:
    bytes_max = limits["bytes_a_minute"] * (window.frequency_us // MINUTE_US)
    n_files = {component: len(numbers) for component, numbers in found.items()}
    try:
        check_files(n_files, index.n_bytes(found), {"files": limits["files"], "bytes": bytes_max})
    except InvalidInput as error:
        return str(error)
    return None


def score_part(settings: BucketSettings, job: Job) -> dict[str, Any]:
    """Score the windows of a part that have readings; write their results and the state after them.

    `windows` of the job: start, end, whether results are written, and the revision that they have (None: no results of
    ours); `stretches`: how many windows are scored before the next state is written. Gives `state_keys` and, by
    window, `key` and `revision` of its results, whether they `changed`, its highest score (`score_max`), its `rows`
    if it ends after `scores_after_us`, and the `events` in it.
    """
    buckets = open_buckets(settings)
    windows = job["windows"]
    try:
        version = open_version(settings, job["version_prefix"])
        fresh = {
            component.name: read_readings(
                component.name,
                [buckets.read(SERVICE, layout.accumulated_part(job["prefix"], component.name))],
                component.full_names,
            )
            for component in version.schema
        }
        state = LiveState() if job["state_key"] is None else restore(buckets.read(SERVICE, job["state_key"]))
        found, state_keys, remaining = _Found(), [], iter(windows)
        for n_windows in job["stretches"]:
            some = list(islice(remaining, n_windows))
            start_us, end_us = some[0][0], some[-1][1]
            own = {name: _between(readings, start_us, end_us) for name, readings in fresh.items()}
            stretch = score_stretch(version, state, own, start_us, end_us)
            state = stretch.state
            found.add(stretch, version, some, job)
            state_keys.append(layout.live_state(job["scheduler_id"], f"{job['id']}-{start_us}", job["attempt"]))
            buckets.write(SERVICE, state_keys[-1], dump(state))
        told = _write_results(buckets, job["output"], windows, found)
    except BucketUnavailableError:
        raise
    except BucketError as error:
        return {"failed": f"The data cannot be read or written: {error}."}
    for one, rows, highest in zip(told, found.rows, found.highest, strict=True):
        one |= {"rows": rows, "score_max": highest}
    events = [plain_events(each, version.sensors) for each in found.explained]
    return {"state_keys": state_keys, "windows": told, "events": events}


@dataclass
class _Found:
    """What scoring found, window by window: texts of the results and their tables, events, rows for the database."""

    texts: list[str] = field(default_factory=list)
    tables: list[bytes | None] = field(default_factory=list)
    explained: list[list[Explained]] = field(default_factory=list)
    rows: list[list[Any] | None] = field(default_factory=list)
    highest: list[float | None] = field(default_factory=list)

    def add(self, stretch: Stretch, version: VersionFiles, windows: Sequence[Any], job: Job) -> None:
        self.texts += _texts(stretch, version, windows)
        self.tables += _tables(stretch, version, windows) if job["is_parquet_wanted"] else [None] * len(windows)
        self.explained += _explained(stretch, windows)
        self.rows += _scored_rows(stretch, windows, job["scores_after_us"])
        self.highest += _highest(stretch, windows)


def _between(readings: Readings, start_us: int, end_us: int) -> Readings:
    """The readings in (start_us, end_us]."""
    first, last = (int(np.searchsorted(readings.timestamps, at, "right")) for at in (start_us, end_us))
    return Readings(readings.sensors, readings.timestamps[first:last], readings.values[first:last])


def _shown(stretch: Stretch, windows: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """(n_rows,) each: whether a row is shown in a window, and in which."""
    starts, ends = (np.array([window[i] for window in windows], np.int64) for i in (0, 1))
    own = window_of(stretch.grid.timestamps, starts, ends)
    return stretch.is_new & stretch.grid.is_read & (own >= 0), own


def _texts(stretch: Stretch, version: VersionFiles, windows: Sequence[Any]) -> list[str]:
    """Give the text of each window's results."""
    shown, own = _shown(stretch, windows)
    # A row without any reading has no line.
    has_line = shown.copy()
    has_line[shown & stretch.is_scored] = ~np.isnan(stretch.scores_of(shown).anomaly)
    written = lines(
        stretch.grid.timestamps[has_line], stretch.grid.off[has_line], stretch.scores_of(has_line), version.sensors
    )
    parts: list[list[str]] = [[] for _ in windows]
    for window, line in zip(own[has_line].tolist(), written, strict=True):
        parts[window].append(line)
    return ["".join(part) for part in parts]


def _tables(stretch: Stretch, version: VersionFiles, windows: Sequence[Any]) -> list[bytes]:
    """Give each window's results as Parquet."""
    shown, own = _shown(stretch, windows)
    grid, tables = stretch.grid, []
    for window in range(len(windows)):
        here = shown & (own == window)
        scores = stretch.scores_of(here)
        tables.append(results_parquet(grid.timestamps[here], grid.off[here], scores, version.sensors))
    return tables


def _scored_rows(stretch: Stretch, windows: Sequence[Any], after_us: int) -> list[list[Any] | None]:
    """Give the rows of each window that the database keeps, None for an older one."""
    kept: list[list[Any] | None] = [[] if window[1] > after_us else None for window in windows]
    shown, own = _shown(stretch, windows)
    here = shown & np.array([rows is not None for rows in kept])[own]
    rows = scored_rows(stretch.grid.timestamps[here], stretch.grid.off[here], stretch.scores_of(here))
    window_at = dict(zip(stretch.grid.timestamps[here].tolist(), own[here].tolist(), strict=True))
    for row in rows:
        of_window = kept[window_at[row[0]]]
        assert of_window is not None
        of_window.append(row)
    return kept


def _highest(stretch: Stretch, windows: Sequence[Any]) -> list[float | None]:
    """Give the highest score of each window, None where no row has one."""
    shown, own = _shown(stretch, windows)
    highest = np.full(len(windows), np.nan)
    np.fmax.at(highest, own[shown & stretch.is_scored], stretch.scores_of(shown).anomaly)
    return [None if np.isnan(score) else score for score in highest.tolist()]


def _explained(stretch: Stretch, windows: Sequence[Any]) -> list[list[Explained]]:
    """Give the events of each window, explained with what an execution would have remembered of the rows before it."""
    shown, own = _shown(stretch, windows)
    alarmed = np.flatnonzero(shown & stretch.is_scored)[stretch.scores_of(shown).alarm]
    explained: list[list[Explained]] = [[] for _ in windows]
    recent, n_remembered = stretch.before, 0
    for window in np.unique(own[alarmed]).tolist():
        first = int(np.searchsorted(stretch.grid.timestamps, windows[window][0], "right"))
        recent, n_remembered = stretch.remembered(n_remembered, first, recent), first
        here = shown & (own == window)
        explained[window] = replace(stretch, before=recent).explained(here, stretch.scores_of(here))
    return explained


def _write_results(
    buckets: Buckets, output: Mapping[str, Any], windows: Sequence[Any], found: _Found
) -> list[dict[str, Any]]:
    """Write what is new or has changed, and keep what it replaces beside it."""
    place = output["S3OutputConfiguration"]
    bucket, prefix = place["Bucket"], place.get("Prefix", "")
    told: list[dict[str, Any]] = []
    objects: list[tuple[str, bytes]] = []
    earlier: list[tuple[str, bytes]] = []
    stale: list[str] = []
    keys = [layout.results(prefix, from_microseconds(window[0])) for window in windows]
    there = _there(buckets, bucket, [(key, window[3] or 0) for key, window in zip(keys, windows, strict=True)])
    for number, ((start_us, _, is_shown, revision), key, before) in enumerate(zip(windows, keys, there, strict=True)):
        content, events, table = found.texts[number].encode(), found.explained[number], found.tables[number]
        one = {"key": key, "revision": revision or 0, "changed": False}
        told.append(one)
        if not is_shown:
            continue
        if events:
            objects.append((layout.evidence(prefix, from_microseconds(start_us)), evidence_lines(events).encode()))
        if revision is not None and before == content:
            continue
        one["changed"] = True
        objects.append((key, content))
        if table is not None:
            objects.append((layout.results_parquet(key), table))
        if before is not None and before != content:
            # Also what another wrote there before us, such as the service that this one takes the place of. What a run
            # that was killed before its rows were written had put there is what stands there now: no revision.
            earlier.append((layout.earlier_results(key, revision or 0), before))
            one["revision"] = (revision or 0) + 1
            stale += [] if events or revision is None else [layout.evidence(prefix, from_microseconds(start_us))]
    buckets.write_many(bucket, earlier)
    buckets.write_many(bucket, objects)
    buckets.delete(bucket, stale)
    return told


def _there(buckets: Buckets, bucket: str, results: Sequence[tuple[str, int]]) -> list[bytes | None]:
    """Give the results that are to be replaced: a part that is done again after a crash finds them kept already."""
    found: list[bytes | None] = []
    keys = [name for key, revision in results for name in (layout.earlier_results(key, revision), key)]
    read_all = iter(buckets.read_many(bucket, keys))
    for pair in zip(read_all, read_all, strict=True):
        read = next((one for one in pair if not isinstance(one, ObjectNotFoundError)), None)
        if isinstance(read, BucketError):
            raise read
        found.append(read)
    return found
