"""What the form of a scheduler says, as a request of the API; what cannot be is refused in words. Knows no page."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from openlookout.api.errors import ValidationException

FREQUENCIES = (
    ("PT5M", "every 5 minutes"),
    ("PT10M", "every 10 minutes"),
    ("PT15M", "every 15 minutes"),
    ("PT30M", "every 30 minutes"),
    ("PT1H", "every hour"),
)
FREQUENCY_MINUTES = {"PT5M": 5, "PT10M": 10, "PT15M": 15, "PT30M": 30, "PT1H": 60}
DELAY_MINUTES_MAX = 60
# None is a choice of its own: what is not said is told from each name.
FORMATS = (
    ("", "any of these"),
    ("yyyyMMddHHmmss", "20260131140500"),
    ("yyyy-MM-dd-HH-mm-ss", "2026-01-31-14-05-00"),
    ("EPOCH", "1769868300, seconds since 1970"),
)
DELIMITERS = (("", "any of these"), ("_", "underscore"), ("-", "hyphen"), (" ", "blank"), ("none", "nothing"))
OFFSETS = tuple(
    f"{sign}{half // 2:02}:{30 * (half % 2):02}"
    for sign, halves in (("-", range(24, 0, -1)), ("+", range(25)))
    for half in halves
)
_NAME = re.compile(r"[0-9a-zA-Z_-]{1,200}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ROLE = re.compile(r"arn:aws(-[^:]+)?:iam::[0-9]{12}:role/.+")
_TIME = {"yyyyMMddHHmmss": "%Y%m%d%H%M%S", "yyyy-MM-dd-HH-mm-ss": "%Y-%m-%d-%H-%M-%S"}

Fields = Mapping[str, str]


def creation(fields: Fields) -> dict[str, Any]:
    """Give the CreateInferenceScheduler request of a form.

    Raises:
        ValidationException: a field holds what it cannot; the message says which and what it can.
    """
    name = fields.get("name", "").strip()
    if not _NAME.fullmatch(name):
        raise ValidationException(f"The name has 1 to 200 letters, digits, - and _, which '{name[:100]}' has not.")
    request: dict[str, Any] = {"ModelName": fields.get("model", ""), "InferenceSchedulerName": name}
    request |= _both(fields)
    if fields.get("key", "").strip():
        request["ServerSideKmsKeyId"] = fields["key"].strip()
    tags = _tags(fields.get("tags", ""))
    if tags:
        request["Tags"] = tags
    return request


def change(fields: Fields, name: str) -> dict[str, Any]:
    """Give the UpdateInferenceScheduler request of a form.

    Raises:
        ValidationException: as `creation`.
    """
    return {"InferenceSchedulerName": name, **_both(fields)}


def fields_of(scheduler: Mapping[str, Any]) -> dict[str, str]:
    """What a form shows of a scheduler as DescribeInferenceScheduler gives it."""
    read, written = scheduler["DataInputConfiguration"], scheduler["DataOutputConfiguration"]
    names = read.get("InferenceInputNameConfiguration") or {}
    delimiter = names.get("ComponentTimestampDelimiter")
    source, target = read.get("S3InputConfiguration") or {}, written.get("S3OutputConfiguration") or {}
    return {
        "frequency": scheduler["DataUploadFrequency"],
        "delay": str(scheduler.get("DataDelayOffsetInMinutes") or 0),
        "input_bucket": source.get("Bucket", ""),
        "input_prefix": source.get("Prefix", ""),
        "output_bucket": target.get("Bucket", ""),
        "output_prefix": target.get("Prefix", ""),
        "offset": read.get("InputTimeZoneOffset", "+00:00"),
        "format": names.get("TimestampFormat", ""),
        "delimiter": "" if delimiter is None else delimiter or "none",
        "output_key": written.get("KmsKeyId", ""),
        "role": scheduler["RoleArn"],
    }


def shortest(rate_us: int | None) -> str:
    """The shortest frequency that a model of this sampling rate can be asked at."""
    minutes = (rate_us or 0) / 60_000_000
    return next((name for name, length in FREQUENCY_MINUTES.items() if length >= minutes), "PT1H")


def window_end(fields: Fields, now: datetime) -> datetime:
    """When the window that is open now ends."""
    minutes = FREQUENCY_MINUTES.get(fields.get("frequency", ""), 60)
    begun = now.astimezone(UTC).replace(minute=now.minute - now.minute % minutes, second=0, microsecond=0)
    return begun + timedelta(minutes=minutes)


def example_files(fields: Fields, components: Sequence[str], now: datetime) -> list[str]:
    """What the files of the next window may be called, one for each component."""
    end = window_end(fields, now)
    shown = f"{end.timestamp():.0f}"
    form = fields.get("format") or "yyyyMMddHHmmss"
    if form in _TIME:
        shown = f"{end + _offset(fields.get('offset', '')):{_TIME[form]}}"
    delimiter = {"": "_", "none": ""}.get(fields.get("delimiter", ""), fields.get("delimiter", ""))
    place = f"s3://{fields.get('input_bucket', '').strip()}/{_prefix(fields, 'input')}"
    return [f"{place}{component}{delimiter}{shown}.csv" for component in components]


def _both(fields: Fields) -> dict[str, Any]:
    """What a creation and a change have in common."""
    names: dict[str, str] = {}
    if fields.get("format"):
        names["TimestampFormat"] = fields["format"]
    if fields.get("delimiter"):
        names["ComponentTimestampDelimiter"] = "" if fields["delimiter"] == "none" else fields["delimiter"]
    read: dict[str, Any] = {"S3InputConfiguration": _place(fields, "input")}
    if fields.get("offset") not in {None, "", "+00:00"}:
        read["InputTimeZoneOffset"] = fields["offset"]
    if names:
        read["InferenceInputNameConfiguration"] = names
    written: dict[str, Any] = {"S3OutputConfiguration": _place(fields, "output")}
    if fields.get("output_key", "").strip():
        written["KmsKeyId"] = fields["output_key"].strip()
    role = fields.get("role", "").strip()
    if not _ROLE.fullmatch(role):
        raise ValidationException(
            f"The role must be an ARN such as arn:aws:iam::123456789012:role/plant, not '{role[:100]}'."
        )
    return {
        "DataUploadFrequency": fields.get("frequency", ""),
        "DataDelayOffsetInMinutes": _delay(fields),
        "DataInputConfiguration": read,
        "DataOutputConfiguration": written,
        "RoleArn": role,
    }


def _place(fields: Fields, kind: str) -> dict[str, str]:
    bucket, prefix = fields.get(f"{kind}_bucket", "").strip(), _prefix(fields, kind)
    if not _BUCKET.fullmatch(bucket):
        what = {"input": "The bucket of the files", "output": "The bucket of the results"}[kind]
        raise ValidationException(f"{what} has 3 to 63 of a-z, 0-9, - and ., which '{bucket[:100]}' has not.")
    return {"Bucket": bucket, **({"Prefix": prefix} if prefix else {})}


def _prefix(fields: Fields, kind: str) -> str:
    """The API's prefixes end in `/`: one is added."""
    prefix = fields.get(f"{kind}_prefix", "").strip()
    return prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def _delay(fields: Fields) -> int:
    text = fields.get("delay", "").strip() or "0"
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and int(text) <= DELAY_MINUTES_MAX):
        raise ValidationException(
            f"The wait for late files is a whole number of minutes from 0 to {DELAY_MINUTES_MAX}, not '{text[:100]}'."
        )
    return int(text)


def _tags(text: str) -> list[dict[str, str]]:
    tags = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        key, sign, value = line.partition("=")
        if not sign or not key.strip():
            raise ValidationException(f"Tag line {number}, '{line[:100]}', must be: key=value.")
        tags.append({"Key": key.strip(), "Value": value.strip()})
    return tags


def _offset(text: str) -> timedelta:
    if text not in OFFSETS:
        return timedelta()
    ahead = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return -ahead if text.startswith("-") else ahead
