"""What children do for a replay: read the input of many windows at once, and score them in one go.

Two children take turns, so that one reads the next part while the other scores this one. Every result is, to the bit,
what an execution would have written.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError, BucketUnavailableError
from openlookout.jobs.inference_work import check_files, input_names, instant, mark, open_version
from openlookout.jobs.live_scoring import Stretch, score_stretch
from openlookout.jobs.live_state import LiveState, dump, restore
from openlookout.jobs.replay_files import FileIndex, Found, file_index
from openlookout.jobs.replay_readings import part_readings
from openlookout.jobs.results import lines
from openlookout.jobs.version_files import VersionFiles
from openlookout.jobs.windows import window_of
from openlookout.timeseries.columnar import read_readings, readings_to_parquet
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
    version = open_version(settings, job["version_prefix"])
    names, bucket = input_names(job["input"]), job["input"]["S3InputConfiguration"]["Bucket"]
    components = tuple(component.name for component in version.schema)
    try:
        index = file_index(settings, bucket, names, components, f"{job['id']}-{job['attempt']}")
        told: list[dict[str, Any]] = []
        chosen: list[Found] = []
        n_bytes = 0
        for start_us, end_us, reads_files, _kept in job["windows"]:
            window = Window(start_us, end_us, end_us - start_us)
            found = index.of_window(window) if reads_files else {}
            n_bytes += sum(info.size for info in index.files(found)) // 3  # Each is among those of three windows.
            if n_bytes > PART_BYTES and told:
                break
            one: dict[str, Any] = {"inputs": [mark(info) for info in index.files(found)]}
            missing = next((component for component, numbers in found.items() if not numbers), None)
            if missing is not None:
                one |= {"failed": missing_sentence(missing, names, window, bucket), "is_missing": True}
            elif sentence := _too_much(index, found, job["limits"], window):
                one["failed"] = sentence
            told.append(one)
            chosen.append({} if "failed" in one else found)
        windows = job["windows"][: len(told)]
        prefix = layout.accumulated(job["model_id"], f"{job['id']}-{windows[0][0]}", job["attempt"])
        readings = part_readings(buckets, bucket, version.schema, index, windows=windows, chosen=chosen, told=told)
        for component, read in zip(version.schema, readings, strict=True):
            buckets.write(SERVICE, layout.accumulated_part(prefix, component.name), readings_to_parquet(read))
    except BucketUnavailableError:
        raise
    except BucketError as error:
        return {"failed": f"The data cannot be read: {error}."}
    return {"prefix": prefix, "windows": told}


def _too_much(index: FileIndex, found: Found, limits: Mapping[str, int], window: Window) -> str | None:
    keys = {component: [index.keys[component][n] for n in numbers] for component, numbers in found.items()}
    sizes = {info.key: info.size for info in index.files(found)}
    bytes_max = limits["bytes_a_minute"] * (window.frequency_us // MINUTE_US)
    try:
        check_files(keys, sizes, {"files": limits["files"], "bytes": bytes_max})
    except InvalidInput as error:
        return str(error)
    return None


def score_part(settings: BucketSettings, job: Job) -> dict[str, Any]:
    """Score the windows of a part that have readings; write their results and the state after them.

    `windows` of the job: start, end, whether results are written, and the revision that they have (None: no results of
    ours). Gives, by window, `key` and `revision` of its results and whether they `changed`, and the `events` in it.
    """
    buckets = open_buckets(settings)
    version = open_version(settings, job["version_prefix"])
    windows = job["windows"]
    try:
        fresh = {
            component.name: read_readings(
                component.name,
                [buckets.read(SERVICE, layout.accumulated_part(job["prefix"], component.name))],
                component.full_names,
            )
            for component in version.schema
        }
        state = LiveState() if job["state_key"] is None else restore(buckets.read(SERVICE, job["state_key"]))
        stretch = score_stretch(version, state, fresh, windows[0][0], windows[-1][1])
        texts, events = _by_window(stretch, version, windows)
        told = _write_results(buckets, job["output"], windows, texts)
        state_key = layout.live_state(job["scheduler_id"], f"{job['id']}-{windows[0][0]}", job["attempt"])
        buckets.write(SERVICE, state_key, dump(stretch.state))
    except BucketUnavailableError:
        raise
    except BucketError as error:
        return {"failed": f"The data cannot be read or written: {error}."}
    return {"state_key": state_key, "windows": told, "events": events}


def _by_window(
    stretch: Stretch, version: VersionFiles, windows: Sequence[Any]
) -> tuple[list[str], list[list[dict[str, Any]]]]:
    """Give the text of each window's results, and its events."""
    starts, ends = (np.array([window[i] for window in windows], np.int64) for i in (0, 1))
    times = stretch.grid.timestamps
    own = window_of(times, starts, ends)
    shown = stretch.is_new & stretch.grid.is_read & (own >= 0)
    rows = stretch.scores_of(shown)
    # A row without any reading has no line.
    has_line = shown.copy()
    has_line[shown & stretch.is_scored] = ~np.isnan(rows.anomaly)
    written = lines(times[has_line], stretch.grid.off[has_line], stretch.scores_of(has_line), version.sensors)
    parts: list[list[str]] = [[] for _ in windows]
    for window, line in zip(own[has_line].tolist(), written, strict=True):
        parts[window].append(line)
    events: list[list[dict[str, Any]]] = [[] for _ in windows]
    alarmed = np.flatnonzero(shown & stretch.is_scored)[rows.alarm]
    for window in np.unique(own[alarmed]).tolist():
        here = shown & (own == window)
        events[window] = stretch.events(here, stretch.scores_of(here), version.sensors)
    return ["".join(part) for part in parts], events


def _write_results(
    buckets: Buckets, output: Mapping[str, Any], windows: Sequence[Any], texts: Sequence[str]
) -> list[dict[str, Any]]:
    """Write what is new or has changed, and keep what it replaces beside it."""
    place = output["S3OutputConfiguration"]
    bucket, prefix = place["Bucket"], place.get("Prefix", "")
    told: list[dict[str, Any]] = []
    objects: list[tuple[str, bytes]] = []
    earlier: list[tuple[str, bytes]] = []
    for (start_us, _end_us, is_shown, revision), text in zip(windows, texts, strict=True):
        key = layout.results(prefix, instant(start_us))
        content = text.encode()
        one = {"key": key, "revision": revision or 0, "changed": False}
        told.append(one)
        if not is_shown:
            continue
        before = _before(buckets, bucket, key, revision or 0)
        if revision is not None and before == content:
            continue
        one["changed"] = True
        objects.append((key, content))
        if before is not None:
            # Also what another wrote there before us, such as the service that this one takes the place of.
            earlier.append((layout.earlier_results(key, revision or 0), before))
            one["revision"] = (revision or 0) + 1
    buckets.write_many(bucket, earlier)
    buckets.write_many(bucket, objects)
    return told


def _before(buckets: Buckets, bucket: str, key: str, revision: int) -> bytes | None:
    """Give the results that are to be replaced: a part that is done again after a crash finds them kept already."""
    kept = layout.earlier_results(key, revision)
    for there in (kept, key):
        if buckets.exists(bucket, there):
            return buckets.read(bucket, there)
    return None
