"""The plan: what is to be made, as a person reads and changes it. A YAML file; comments tell where a value is from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml

from openlookout.adopt.leftovers import AdoptRefused
from openlookout.adopt.plan_values import violations

HEAD = """\
# What 'openlookout adopt' found, and what it will make. Change what is wrong; what is taken out is not made.
# A comment tells where a value is from: a file and its line, or a guess. Then run the same command again.
"""
ROLE = "arn:aws:iam::123456789012:role/openlookout"


@dataclass(frozen=True)
class Said:
    """A value with where it is from."""

    value: Any
    origin: str = ""


Entry = dict[str, Any]  # Member -> Said, a dictionary of such, or a list of such dictionaries.


@dataclass
class Plan:
    """`source`: where the files are. Each resource is what its Create operation takes, in our shorter words."""

    source: Entry
    datasets: list[Entry] = field(default_factory=list)
    label_groups: list[Entry] = field(default_factory=list)
    models: list[Entry] = field(default_factory=list)
    schedulers: list[Entry] = field(default_factory=list)
    retraining_schedulers: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


SECTIONS = ("datasets", "label_groups", "models", "schedulers", "retraining_schedulers")
# What a resource may have and must have.
MEMBERS: dict[str, tuple[set[str], set[str]]] = {
    "source": ({"place", "bucket", "key_prefix", "copy", "labels"}, {"place", "bucket"}),
    "datasets": ({"name", "prefix", "bucket", "key_pattern", "schema", "tags"}, {"name", "prefix"}),
    "label_groups": ({"name", "fault_codes", "labels", "tags"}, {"name"}),
    "models": (
        {
            *("name", "dataset", "training_start", "training_end", "evaluation_start", "evaluation_end"),
            *("sampling_rate", "off_condition", "labels_prefix", "labels_bucket", "label_group"),
            *("diagnostics_bucket", "diagnostics_prefix", "sensors", "tags"),
        },
        {"name", "dataset"},
    ),
    "schedulers": (
        {
            *("name", "model", "upload_frequency", "delay_minutes", "input_bucket", "input_prefix", "delimiter"),
            *("timestamp_format", "time_zone_offset", "output_bucket", "output_prefix", "started", "tags"),
        },
        {"name", "model", "upload_frequency", "input_prefix", "output_prefix"},
    ),
    # Each has the name of the model that it retrains.
    "retraining_schedulers": (
        {"name", "frequency", "lookback", "start", "promote_mode", "started"},
        {"name", "frequency", "lookback"},
    ),
}


def write_plan(plan: Plan) -> str:
    """Give the plan as YAML text with comments."""
    lines = [HEAD, "source:", *_lines(plan.source, 2)]
    for section in SECTIONS:
        entries = getattr(plan, section)
        lines.append(f"\n{section}:" if entries else f"\n{section}: []")
        for entry in entries:
            first, *others = _lines(entry, 4)
            lines += [f"  - {first[4:]}", *others]
    if plan.problems:
        lines.append("\n# What could not be read, and is not in this plan:")
        lines += [f"# * {' '.join(problem.split())}" for problem in plan.problems]
    return "\n".join(lines) + "\n"


def _lines(entry: Mapping[str, Any], indent: int) -> Iterator[str]:
    space = " " * indent
    for name, value in entry.items():
        if isinstance(value, Said):
            comment = f"  # {' '.join(value.origin.split())}" if value.origin else ""
            yield f"{space}{name}: {_scalar(value.value)}{comment}"
        elif isinstance(value, Mapping):
            yield f"{space}{name}:"
            yield from _lines(value, indent + 2)
        else:
            yield f"{space}{name}:"
            for one in value:
                yield f"{space}  - {{{', '.join(f'{key}: {_scalar(said.value)}' for key, said in one.items())}}}"


def _scalar(value: Any) -> str:
    """A value as YAML reads it: JSON is YAML, and never ambiguous; a time is a text."""
    if isinstance(value, datetime):
        value = f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}".removesuffix(".000000") + "Z"
    return json.dumps(value, ensure_ascii=False)


def read_plan(name: str, text: str) -> dict[str, Any]:
    """Give a plan as plain values: `source`, and lists of resources.

    Raises:
        AdoptRefused: it is no plan; the message names the resource, the member and what is wrong.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise AdoptRefused(f"the plan {name} is no YAML: {' '.join(str(error).split())[:300]}") from None
    if not isinstance(document, Mapping) or "source" not in document:
        raise AdoptRefused(f"the plan {name} has no 'source'")
    unknown = sorted(set(map(str, document)) - {"source", *SECTIONS})
    if unknown:
        raise AdoptRefused(f"the plan {name} has '{unknown[0]}'; there are {', '.join(('source', *SECTIONS))}")
    plan: dict[str, Any] = {"source": _checked(name, "source", document["source"])}
    for section in SECTIONS:
        entries = document.get(section) or []
        if not isinstance(entries, Sequence) or isinstance(entries, str):
            raise AdoptRefused(f"the plan {name}: {section} must be a list")
        plan[section] = [_checked(name, section, entry) for entry in entries]
        named = [entry["name"] for entry in plan[section]]
        twice = next((one for one in named if named.count(one) > 1), None)
        if twice is not None:
            raise AdoptRefused(f"the plan {name}: {section} has '{twice}' twice")
    return plan


def _checked(name: str, section: str, entry: Any) -> dict[str, Any]:
    allowed, needed = MEMBERS[section]
    if not isinstance(entry, Mapping):
        raise AdoptRefused(f"the plan {name}: an entry of {section} is no mapping but '{str(entry)[:50]}'")
    shown = f"{section} '{entry.get('name')}'" if "name" in entry else section
    for member in entry:
        if member not in allowed:
            raise AdoptRefused(f"the plan {name}: {shown} has '{member}'; there are {', '.join(sorted(allowed))}")
    for member in sorted(needed):
        if entry.get(member) is None:
            raise AdoptRefused(f"the plan {name}: {shown} needs '{member}'")
    tags = entry.get("tags") or {}
    if not isinstance(tags, Mapping) or not all(isinstance(one, str) for pair in tags.items() for one in pair):
        raise AdoptRefused(f"the plan {name}: the tags of {shown} must be texts by their keys, as in {{site: north}}")
    sensors = entry.get("sensors") or []
    if not isinstance(sensors, list) or not all(isinstance(one, str) for one in sensors):
        raise AdoptRefused(f"the plan {name}: the sensors of {shown} must be a list of texts")
    values = {member: _plain(value) for member, value in entry.items() if value is not None}
    for violation in violations(section, values):
        raise AdoptRefused(f"the plan {name}: {shown}: {violation}")
    return values


def _plain(value: Any) -> Any:
    """A person may write a time without quotes, which YAML reads as one."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return value
