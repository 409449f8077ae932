"""What was learned of the old service's resources, and from where. Knows members of the API and no file format."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Kind = Literal["dataset", "model", "scheduler", "label_group", "label", "event", "retraining_scheduler"]

TIMES = re.compile(r"(StartTime|EndTime|CreatedAt|UpdatedAt|RetrainingStartDate)$")
EPOCH_MAX = 10_000_000_000  # In 2286; beyond that a number counts milliseconds.
# What a request calls otherwise than an answer.
RENAMED = {"DatasetSchema": "Schema"}
# The same resource may be told of in several places: what the service itself said counts for most.
Rank = Literal["answer", "script", "template"]
RANKS: tuple[Rank, ...] = ("answer", "script", "template")


@dataclass(frozen=True)
class Unreadable:
    """A value that stands somewhere but cannot be told from there: `text` is how it stands there."""

    text: str


@dataclass(frozen=True)
class Fact:
    """Members of one resource, named as the API names them; times are aware. `rank`: from what kind of source.

    `file` and `line`: where it stands; `lines`: where its members do, as far as that is known.
    """

    kind: Kind
    members: Mapping[str, Any]
    file: str
    line: int
    rank: Rank
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Where it stands, for people."""
        return f"{self.file}, line {self.line}"

    def origin_of(self, path: Sequence[str]) -> str:
        """Where a member stands: the innermost of the path whose line is known."""
        line = next((self.lines[member] for member in reversed(path) if member in self.lines), self.line)
        return f"{self.file}, line {line}"

    @property
    def name(self) -> str | None:
        name = self.members.get(NAMES[self.kind])
        return name if isinstance(name, str) and name else None


NAMES: dict[Kind, str] = {
    "dataset": "DatasetName",
    "model": "ModelName",
    "scheduler": "InferenceSchedulerName",
    "label_group": "LabelGroupName",
    "label": "LabelGroupName",
    "event": "InferenceSchedulerName",
    "retraining_scheduler": "ModelName",
}
# What stands in the ARN of a resource that can have tags.
ARN_KINDS: dict[str, Kind] = {
    "dataset": "dataset",
    "model": "model",
    "inference-scheduler": "scheduler",
    "label-group": "label_group",
}
ARN = re.compile(r"arn:[^:]+:lookoutequipment:[^:]*:[^:]*:([a-z-]+)/([^/]+)/")


def fact(
    members: Mapping[str, Any], file: str, line: int, rank: Rank, lines: Mapping[str, int] | None = None
) -> Fact | None:
    """Tell what a request's or an answer's members are of; None when they are of nothing that we take over."""
    named = {RENAMED.get(name, name): value for name, value in members.items()}
    kind = _kind(named)
    if kind is None and "Tags" in named:
        kind, named = _tagged(named)
    if kind is None:
        return None
    if kind == "dataset" and "DatasetName" not in named:
        named["DatasetName"] = str(named["DatasetArn"]).split("/")[1:2][0]
    return Fact(kind, {name: _value(name, value) for name, value in named.items()}, file, line, rank, lines or {})


def _tagged(members: Mapping[str, Any]) -> tuple[Kind | None, dict[str, Any]]:
    """What the tags of an ARN are of: a TagResource, or what the tagging API answers."""
    arn = ARN.match(str(members.get("ResourceArn", members.get("ResourceARN", ""))))
    kind = ARN_KINDS.get(arn[1]) if arn is not None else None
    if arn is None or kind is None:
        return None, {}
    return kind, {NAMES[kind]: arn[2], "Tags": members["Tags"]}


def _kind(members: Mapping[str, Any]) -> Kind | None:
    names = set(members)
    if "InferenceSchedulerName" in names:
        if "EventStartTime" in names:
            return "event"
        return "scheduler" if names & {"DataUploadFrequency", "DataDelayOffsetInMinutes"} else None
    if "LabelGroupName" in names:
        return "label" if {"StartTime", "EndTime"} <= names else "label_group"
    if "ModelName" in names:
        is_retraining = bool(names & {"RetrainingFrequency", "LookbackWindow"})
        return "retraining_scheduler" if is_retraining else "model" if names & MODEL_MEMBERS else None
    if "DatasetName" in names:
        return "dataset"
    is_ingestion = "IngestionInputConfiguration" in names and ":dataset/" in str(members.get("DatasetArn"))
    return "dataset" if is_ingestion else None


MODEL_MEMBERS = {"DatasetName", "DatasetArn", "ModelMetrics", "TrainingDataStartTime", "TrainingExecutionStartTime"}


def _value(name: str, value: Any) -> Any:
    if not TIMES.search(name) or isinstance(value, Unreadable):
        return value
    return moment(value)


def moment(value: Any) -> Any:
    """Give a time as an aware datetime, whether seconds, milliseconds, ISO text or datetime; else the value itself.

    Without a zone it is UTC, as everything was that the service read.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value / 1000 if value > EPOCH_MAX else value, UTC)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return value
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def dictionaries(value: Any) -> Iterator[Mapping[str, Any]]:
    """Give every dictionary in a structure, the outer ones first."""
    ahead = [value]
    while ahead:
        one = ahead.pop(0)
        if isinstance(one, Mapping):
            yield one
            ahead[:0] = list(one.values())
        elif isinstance(one, list | tuple):
            ahead[:0] = list(one)
