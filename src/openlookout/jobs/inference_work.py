"""What a child does for an execution: find the window's files, score their rows, write results and the new state.

Live equals batch, to the bit: rows look back on what earlier executions accumulated, never on the customer's files.
"""

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from functools import lru_cache
from typing import Any

from openlookout.api.instants import from_microseconds
from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError, BucketUnavailableError
from openlookout.buckets.object_info import ObjectInfo
from openlookout.jobs.live_scoring import plain_events, score_stretch
from openlookout.jobs.live_state import LiveState, dump, restore
from openlookout.jobs.results import evidence_lines, lines, results_parquet, scored_rows
from openlookout.jobs.version_files import VersionFiles, read_version
from openlookout.timeseries.columnar import Readings, readings_to_parquet
from openlookout.timeseries.inference_input import (
    InputNames,
    InvalidInput,
    MissingInput,
    Window,
    check_all_found,
    parse_offset,
    read_window,
    window_files,
)
from openlookout.timeseries.sensor_file import Allowance


def infer_window(settings: BucketSettings, job: Mapping[str, Any]) -> dict[str, Any]:
    """Score one window; write results, accumulated readings and state.

    Gives where they are and the events of the window, or `failed` with a sentence for the customer; and `inputs`, marks
    of the files that were found for the window.
    """
    buckets = open_buckets(settings)
    inputs: list[str] = []
    try:
        answer = _infer(buckets, open_version(settings, job["version_prefix"]), job, inputs)
    except (MissingInput, InvalidInput) as error:
        answer = {"failed": str(error)}
    except BucketUnavailableError:
        raise
    except BucketError as error:
        answer = {"failed": f"The data cannot be read or written: {error}."}
    return {**answer, "inputs": inputs}


@lru_cache(maxsize=32)
def open_version(settings: BucketSettings, prefix: str) -> VersionFiles:
    """A version's files never change, and a child scores the same few schedulers again and again."""
    return read_version(open_buckets(settings), prefix)


def _infer(buckets: Buckets, version: VersionFiles, job: Mapping[str, Any], inputs: list[str]) -> dict[str, Any]:
    window = Window(job["start_us"], job["end_us"], job["end_us"] - job["start_us"])
    fresh = _read(buckets, version, job, window, inputs)
    state = LiveState() if job["state_key"] is None else restore(buckets.read(SERVICE, job["state_key"]))
    stretch = score_stretch(version, state, fresh, window.start_us, window.end_us)
    grid = stretch.grid
    shown = stretch.is_new & grid.is_read & (grid.timestamps > window.start_us)
    if shown.sum() > job["limits"]["rows"]:
        raise InvalidInput(too_many_rows(int(shown.sum()), job["limits"]["rows"]))
    scores = stretch.scores_of(shown)
    text = "".join(lines(grid.timestamps[shown], grid.off[shown], scores, version.sensors))
    result_key = layout.results(job["output"].get("Prefix", ""), from_microseconds(window.start_us))
    buckets.write(job["output"]["Bucket"], result_key, text.encode())
    if job["is_parquet_wanted"]:
        table = results_parquet(grid.timestamps[shown], grid.off[shown], scores, version.sensors)
        buckets.write(job["output"]["Bucket"], layout.results_parquet(result_key), table)
    accumulated = layout.accumulated(job["model_id"], job["id"], job["attempt"])
    for component, readings in fresh.items():
        buckets.write(SERVICE, layout.accumulated_part(accumulated, component), readings_to_parquet(readings))
    explained = stretch.explained(shown, scores)
    if explained:
        key = layout.evidence(job["output"].get("Prefix", ""), from_microseconds(window.start_us))
        buckets.write(job["output"]["Bucket"], key, evidence_lines(explained).encode())
    state_key = layout.live_state(job["scheduler_id"], job["id"], job["attempt"])
    buckets.write(SERVICE, state_key, dump(stretch.state))
    return {
        "result_key": result_key,
        "state_key": state_key,
        "accumulated": accumulated,
        "rows": scored_rows(grid.timestamps[shown], grid.off[shown], scores),
        "events": plain_events(explained, version.sensors),
    }


def _read(
    buckets: Buckets, version: VersionFiles, job: Mapping[str, Any], window: Window, inputs: list[str]
) -> dict[str, Readings]:
    """The readings of the window, by component; adds the marks of its files to `inputs`."""
    bucket, names = job["input"]["S3InputConfiguration"]["Bucket"], input_names(job["input"])
    components = [component.name for component in version.schema]
    listed = {found.key: found for found in buckets.list(bucket, names.prefix)}
    files = window_files(listed, components, names, window)
    inputs += [mark(listed[key]) for found in files.values() for _, key in found]
    check_all_found(files, names, window, bucket)
    keys = {component: tuple(key for _, key in found) for component, found in files.items()}
    n_bytes = sum(listed[key].size for named in keys.values() for key in named)
    check_files({component: len(named) for component, named in keys.items()}, n_bytes, job["limits"])
    fresh, allowance = {}, Allowance(job["limits"]["unpacked_bytes"])
    for component in version.schema:
        with ExitStack() as stack:
            opened = [(key, stack.enter_context(buckets.open(bucket, key))) for key in keys[component.name]]
            fresh[component.name] = read_window(opened, component, window, allowance)
    return fresh


def input_names(configuration: Mapping[str, Any]) -> InputNames:
    """How the files of a DataInputConfiguration are called."""
    naming = configuration.get("InferenceInputNameConfiguration", {})
    return InputNames(
        configuration["S3InputConfiguration"].get("Prefix", ""),
        naming.get("ComponentTimestampDelimiter"),
        naming.get("TimestampFormat"),
        parse_offset(configuration.get("InputTimeZoneOffset", "+00:00")),
    )


def mark(found: ObjectInfo) -> str:
    """Give a short text that changes with a file and its content."""
    return hashlib.blake2s(f"{found.key}|{found.etag}|{found.size}".encode(), digest_size=6).hexdigest()


def check_files(n_files: Mapping[str, int], n_bytes: int, limits: Mapping[str, int]) -> None:
    """Raises InvalidInput: there are more files of a component, or more bytes, than one execution may have."""
    for component, n in n_files.items():
        if n > limits["files"]:
            raise InvalidInput(f"Component '{component}' has {n} files; {limits['files']} is the quota.")
    if n_bytes > limits["bytes"]:
        raise InvalidInput(f"The files of the execution have {n_bytes} bytes; {limits['bytes']} is the quota.")


def too_many_rows(n_rows: int, n_max: int) -> str:
    return f"The execution has {n_rows} rows; {n_max} is the quota."
