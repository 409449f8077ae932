"""What a child does for an execution: find the window's files, score their rows, write results and the new state.

Live equals batch, to the bit: rows look back on what earlier executions accumulated, never on the customer's files.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError, BucketUnavailableError
from openlookout.detection.recent import Explained, explain, scored_rows
from openlookout.jobs.live_state import LiveState, dump, remembered, restore
from openlookout.jobs.results import evidence_lines, lines
from openlookout.jobs.version_files import VersionFiles, read_version, running_segments
from openlookout.timeseries.columnar import Readings, readings_to_parquet
from openlookout.timeseries.grid import Grid, make_grid
from openlookout.timeseries.inference_input import (
    InputNames,
    InvalidInput,
    MissingInput,
    Window,
    parse_offset,
    read_window,
    window_keys,
)


def infer_window(settings: BucketSettings, job: Mapping[str, Any]) -> dict[str, Any]:
    """Score one window; write results, accumulated readings and state.

    Gives where they are and the events of the window, or `failed` with a sentence for the customer.
    """
    buckets = open_buckets(settings)
    try:
        return _infer(buckets, _version(settings, job["version_prefix"]), job)
    except (MissingInput, InvalidInput) as error:
        return {"failed": str(error)}
    except BucketUnavailableError:
        raise
    except BucketError as error:
        return {"failed": f"The data cannot be read or written: {error}."}


@lru_cache(maxsize=32)
def _version(settings: BucketSettings, prefix: str) -> VersionFiles:
    """A version's files never change, and a child scores the same few schedulers again and again."""
    return read_version(open_buckets(settings), prefix)


def _infer(buckets: Buckets, version: VersionFiles, job: Mapping[str, Any]) -> dict[str, Any]:
    window = Window(job["start_us"], job["end_us"], job["end_us"] - job["start_us"])
    fresh = _read(buckets, version, job, window)
    state = LiveState() if job["state_key"] is None else restore(buckets.read(SERVICE, job["state_key"]))
    tail = {name: _joined(state.tail.get(name), readings) for name, readings in fresh.items()}
    grid, first_new = _grid(version, state, tail, window)
    segment = running_segments(grid)
    if first_new and state.detector is not None:
        segment = segment + int(state.detector["segment"])
    elif state.detector is not None:
        segment = segment + int(state.detector["segment"]) + 1
    new = np.arange(len(grid.timestamps)) >= first_new
    on = new & ~grid.off
    scores, detector = version.detector.score(grid.values[on], segment[on], state.detector)
    shown = new & grid.is_read & (grid.timestamps > window.start_us)
    if shown.sum() > job["limits"]["rows"]:
        raise InvalidInput(f"The execution has {shown.sum()} rows; {job['limits']['rows']} is the quota.")
    inside = shown[on]
    shown_scores = scores.taken(inside)
    text = "".join(lines(grid.timestamps[shown], grid.off[shown], shown_scores, version.sensors))
    result_key = layout.results(job["output"].get("Prefix", ""), _instant(window.start_us))
    buckets.write(job["output"]["Bucket"], result_key, text.encode())
    accumulated = layout.accumulated(job["model_id"], job["id"], job["attempt"])
    for component, readings in fresh.items():
        buckets.write(SERVICE, layout.accumulated_part(accumulated, component), readings_to_parquet(readings))
    rows = scored_rows(grid.timestamps[on & shown], segment[on & shown], grid.values[on & shown], shown_scores)
    explained, recent = explain(
        version.detector,
        rows,
        shown_scores.contribution,
        rate_us=grid.rate_us,
        names=version.sensors,
        before=state.recent,
    )
    _write_evidence(buckets, job, window, explained)
    state_key = layout.live_state(job["scheduler_id"], job["id"], job["attempt"])
    following = _next_state(version, replace(state, detector=detector, recent=recent), tail, grid)
    buckets.write(SERVICE, state_key, dump(following))
    return {
        "result_key": result_key,
        "state_key": state_key,
        "accumulated": accumulated,
        "events": [_event(each, version.sensors) for each in explained],
    }


def _read(buckets: Buckets, version: VersionFiles, job: Mapping[str, Any], window: Window) -> dict[str, Readings]:
    """The readings of the window, by component."""
    place, naming = job["input"]["S3InputConfiguration"], job["input"].get("InferenceInputNameConfiguration", {})
    bucket, prefix = place["Bucket"], place.get("Prefix", "")
    names = InputNames(
        prefix,
        naming.get("ComponentTimestampDelimiter"),
        naming.get("TimestampFormat"),
        parse_offset(job["input"].get("InputTimeZoneOffset", "+00:00")),
    )
    components = [component.name for component in version.schema]
    sizes = {found.key: found.size for found in buckets.list(bucket, prefix)}
    keys = window_keys(list(sizes), components, names, window, bucket)
    _check_files(keys, sizes, job["limits"])
    fresh = {}
    for component in version.schema:
        with ExitStack() as stack:
            files = [(key, stack.enter_context(buckets.open(bucket, key))) for key in keys[component.name]]
            fresh[component.name] = read_window(files, component, window)
    return fresh


def _check_files(keys: Mapping[str, Sequence[str]], sizes: Mapping[str, int], limits: Mapping[str, int]) -> None:
    """Raises InvalidInput: there are more files of a component, or more bytes, than one execution may have."""
    for component, named in keys.items():
        if len(named) > limits["files"]:
            raise InvalidInput(f"Component '{component}' has {len(named)} files; {limits['files']} is the quota.")
    n_bytes = sum(sizes[key] for named in keys.values() for key in named)
    if n_bytes > limits["bytes"]:
        raise InvalidInput(f"The files of the execution have {n_bytes} bytes; {limits['bytes']} is the quota.")


def _grid(version: VersionFiles, state: LiveState, tail: Mapping[str, Readings], window: Window) -> tuple[Grid, int]:
    """Give rows after the last one scored up to the window's end, and the number of the first that is new.

    The last row scored comes along as row 0 when it is there: it tells whether the next continues its segment.
    """
    start = window.start_us if state.last_us is None else state.last_us - 1
    grid = make_grid(
        tail.values(),
        version.sensors,
        version.sampling,
        start_us=start,
        end_us=window.end_us,
        off=version.off,
        off_before=state.off_value,
    )
    has_last = bool(len(grid.timestamps)) and int(grid.timestamps[0]) == state.last_us
    return grid, int(has_last)


def _joined(earlier: Readings | None, fresh: Readings) -> Readings:
    """The tail and what is new; a reading after the tail's end only, so that nothing is read twice."""
    if earlier is None or not len(earlier.timestamps):
        return fresh
    later = fresh.timestamps > earlier.timestamps[-1]
    return Readings(
        fresh.sensors,
        np.concatenate([earlier.timestamps, fresh.timestamps[later]]),
        np.concatenate([earlier.values, fresh.values[later]]),
    )


def _next_state(version: VersionFiles, state: LiveState, tail: Mapping[str, Readings], grid: Grid) -> LiveState:
    """The state with what was read; `state` has what was scored already."""
    last_us = int(grid.timestamps[-1]) if len(grid.timestamps) else state.last_us
    # No row yet: no reading yet, so there is nothing to look back on.
    keep_from = np.iinfo(np.int64).min if last_us is None else last_us - version.sampling.history_us(2)
    off_value = state.off_value
    for readings in tail.values():
        if version.off is not None and version.off.full_name in readings.sensors:
            column = readings.values[readings.timestamps <= keep_from, readings.sensors.index(version.off.full_name)]
            there = column[~np.isnan(column)]
            off_value = float(there[-1]) if len(there) else off_value
    kept = {component: remembered(readings, keep_from) for component, readings in tail.items()}
    return replace(state, last_us=last_us, tail=kept, off_value=off_value)


def _event(explained: Explained, sensors: Sequence[str]) -> dict[str, Any]:
    event = explained.event
    return {
        "start_us": event.start_us,
        "end_us": event.end_us,
        "n_rows": event.rows[1] - event.rows[0] + 1,
        "diagnostics": dict(zip(sensors, event.contribution.tolist(), strict=True)),
        "evidence": explained.evidence,
    }


def _write_evidence(buckets: Buckets, job: Mapping[str, Any], window: Window, explained: Sequence[Explained]) -> None:
    """Beside the results, a line for each event; no event, no file."""
    if explained:
        key = layout.evidence(job["output"].get("Prefix", ""), _instant(window.start_us))
        buckets.write(job["output"]["Bucket"], key, evidence_lines(explained).encode())


def _instant(us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
