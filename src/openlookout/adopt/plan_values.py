"""What values a plan may have: those that the API takes. Looked at before anything is made."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from openlookout.adopt.facts import moment
from openlookout.api.definition import definition
from openlookout.api.errors import SerializationException
from openlookout.wire.validation import Validator, Violations, compile_shapes

# The shape of the definition that each member's value must have, section by section.
SHAPES: Mapping[str, Mapping[str, str]] = {
    "source": {"bucket": "S3Bucket"},
    "datasets": {"name": "DatasetName", "prefix": "S3Prefix", "bucket": "S3Bucket", "key_pattern": "KeyPattern"},
    "label_groups": {"name": "LabelGroupName"},
    "models": {
        "name": "ModelName",
        "dataset": "DatasetName",
        "sampling_rate": "TargetSamplingRate",
        "off_condition": "OffCondition",
        "labels_prefix": "S3Prefix",
        "labels_bucket": "S3Bucket",
        "label_group": "LabelGroupName",
        "diagnostics_bucket": "S3Bucket",
        "diagnostics_prefix": "S3Prefix",
    },
    "schedulers": {
        "name": "InferenceSchedulerName",
        "model": "ModelName",
        "upload_frequency": "DataUploadFrequency",
        "delay_minutes": "DataDelayOffsetInMinutes",
        "input_bucket": "S3Bucket",
        "input_prefix": "S3Prefix",
        "delimiter": "ComponentTimestampDelimiter",
        "timestamp_format": "FileNameTimestampFormat",
        "time_zone_offset": "TimeZoneOffset",
        "output_bucket": "S3Bucket",
        "output_prefix": "S3Prefix",
    },
    "retraining_schedulers": {
        "name": "ModelName",
        "frequency": "RetrainingFrequency",
        "lookback": "LookbackWindow",
        "promote_mode": "ModelPromoteMode",
    },
}
TIMES = ("training_start", "training_end", "evaluation_start", "evaluation_end", "start", "end")


def violations(section: str, entry: Mapping[str, Any]) -> Iterator[str]:
    """Give sentences for the values of a resource that the API would refuse."""
    for member, value in entry.items():
        shape = SHAPES[section].get(member)
        if shape is not None:
            yield from _of_shape(shape, member, value)
        elif member in TIMES:
            yield from _of_time(member, value)
    labels = entry.get("labels", []) if section == "label_groups" else []
    if not isinstance(labels, list) or not all(isinstance(label, Mapping) for label in labels):
        yield "'labels' must be a list of mappings"
        return
    for number, label in enumerate(labels, 1):
        for member in ("start", "end"):
            yield from _of_time(f"{member} of label {number}", label.get(member))


def _of_shape(shape: str, member: str, value: Any) -> Violations:
    found: Violations = []
    try:
        _validators()[shape](value, member, found)
    except SerializationException:
        kind = definition()["shapes"][shape]["type"]
        found.append(f"Value '{str(value)[:50]}' at '{member}' must be a {'text' if kind == 'string' else 'number'}")
    return found


def _of_time(member: str, value: Any) -> Iterator[str]:
    if not isinstance(moment(value), datetime):
        yield f"Value '{str(value)[:50]}' at '{member}' must be a time: write 2026-10-07 or 2026-10-07T12:00Z"


@cache
def _validators() -> Mapping[str, Validator]:
    return compile_shapes(definition(), {shape for members in SHAPES.values() for shape in members.values()})
