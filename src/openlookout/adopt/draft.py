"""From what was found to a plan: what the service's own answers say counts before a script, that before a template, and
a guess only where nobody says anything. Every value keeps where it is from.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from openlookout.adopt.facts import RANKS, Fact, Unreadable
from openlookout.adopt.layouts import Inference, Training
from openlookout.adopt.leftovers import Place
from openlookout.adopt.plan import Entry, Plan, Said
from openlookout.adopt.survey import Survey

GENERIC = {"training", "train", "training-data", "training_data", "data", "input", "inputs", "raw", "dataset", ""}
FREQUENCIES = {300: "PT5M", 600: "PT10M", 900: "PT15M", 1800: "PT30M", 3600: "PT1H"}
EVALUATED_SHARE = 0.3
LABELS_PREFIX = "adopted-labels/"  # Where labels are copied to that are elsewhere.


@dataclass(frozen=True)
class Told:
    """Everything that was said of one resource: the value of a member is the best-placed one's."""

    name: str
    facts: Sequence[Fact]

    def get(self, *path: str) -> Said | None:
        """Give what is said at a path of members; None where nobody says anything."""
        for fact in self.facts:
            value: Any = fact.members
            for member in path:
                value = value.get(member) if isinstance(value, Mapping) else None
            if value is not None and not isinstance(value, Unreadable):
                return Said(value, fact.origin_of(path))
        return None

    def unreadable(self) -> list[str]:
        """The members that stand somewhere, but cannot be told from there, and that nobody else tells."""
        return [
            f"{fact.origin}: {'.'.join(path)} of '{self.name}' cannot be told from '{value.text}'"
            for fact in self.facts
            for path, value in _leaves(fact.members, ())
            if isinstance(value, Unreadable) and self.get(*path) is None
        ]


def _leaves(members: Mapping[str, Any], path: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Any]]:
    for name, value in members.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, str(name)))
        else:
            yield (*path, str(name)), value


def draft(found: Survey, place: Place, labels: Place | None = None) -> Plan:
    """Give the plan for everything that was found; `labels`: where label files are, if that is elsewhere."""
    by_kind = {kind: _by_name(found.facts, kind) for kind in ("dataset", "model", "scheduler", "label_group")}
    bucket, base = _bucket(found, place)
    plan = Plan(
        {
            "place": Said(place.shown),
            "bucket": bucket,
            "key_prefix": Said(base, "what stands before the files' paths, in the bucket" if place.copies else ""),
            "copy": Said(place.copies, "the files are copied into the service's bucket" if place.copies else ""),
        },
        problems=list(found.problems),
    )
    for told in (told for group in by_kind.values() for told in group.values()):
        plan.problems += told.unreadable()
    for fact in found.facts:
        if isinstance(fact.members.get(_NAME_MEMBERS.get(fact.kind, "")), Unreadable):
            plan.problems.append(f"{fact.origin}: the name of a {fact.kind} cannot be told from there")
    _datasets(plan, found, by_kind["dataset"], base)
    _label_groups(plan, found, by_kind["label_group"])
    if labels is not None:
        plan.source["labels"] = Said(labels.shown, "its files are copied too" if labels.copies else "")
    _models(plan, found, by_kind["model"], base)
    if labels is not None:
        for entry in plan.models:
            _labels_elsewhere(entry, found, labels)
    _schedulers(plan, found, by_kind["scheduler"], base)
    return plan


_NAME_MEMBERS = {"dataset": "DatasetName", "model": "ModelName", "scheduler": "InferenceSchedulerName"}


def _by_name(facts: Sequence[Fact], kind: str) -> dict[str, Told]:
    named: dict[str, list[Fact]] = {}
    for fact in sorted(facts, key=lambda fact: RANKS.index(fact.rank)):
        if fact.kind == kind and fact.name is not None:
            named.setdefault(fact.name, []).append(fact)
    return {name: Told(name, group) for name, group in sorted(named.items())}


def _bucket(found: Survey, place: Place) -> tuple[Said, str]:
    """Which bucket the files belong to, and what stands there before their paths here."""
    if not place.copies:
        return Said(place.bucket), ""
    said: Counter[str] = Counter()
    prefixes: Counter[str] = Counter()
    for fact in found.facts:
        for member in ("S3InputConfiguration", "S3OutputConfiguration"):
            for config in _find(fact.members, member):
                if isinstance(config.get("Bucket"), str):
                    said[config["Bucket"]] += 1
                if isinstance(config.get("Prefix"), str):
                    prefixes[config["Prefix"]] += 1
    keys = [info.key for info in place.files]
    bases: Counter[str] = Counter()
    for prefix in prefixes:
        parts = prefix.split("/")
        for n in range(len(parts) - 1):
            rest = "/".join(parts[n:])
            if any(key.startswith(rest) for key in keys):
                bases["".join(f"{part}/" for part in parts[:n])] += 1
                break
    base = bases.most_common(1)[0][0] if bases else place.prefix
    if place.shown.startswith("s3://") or not said:
        return Said(place.suggested, "as the place is called"), base
    return Said(said.most_common(1)[0][0], "the bucket that most of what was found names"), base


def _find(value: Any, member: str) -> Iterable[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            if name == member and isinstance(one, Mapping):
                yield one
            else:
                yield from _find(one, member)


def _datasets(plan: Plan, found: Survey, told: Mapping[str, Told], base: str) -> None:
    free = list(found.training)
    for name, dataset in told.items():
        place = ("IngestionInputConfiguration", "S3InputConfiguration")
        prefix = dataset.get(*place, "Prefix")
        own = next((one for one in free if prefix is not None and base + one.prefix == prefix.value), None)
        if prefix is None and len(free) == 1:
            own, prefix = free[0], _guess(base + free[0].prefix, "the only training data that was found")
        if prefix is None:
            plan.problems.append(f"{dataset.facts[0].origin}: nothing says where the data of dataset '{name}' is")
            continue
        entry: Entry = {"name": Said(name, dataset.facts[0].origin), "prefix": prefix}
        _add(entry, "bucket", dataset.get(*place, "Bucket"))
        pattern = dataset.get(*place, "KeyPattern")
        _add(entry, "key_pattern", pattern or (_guess(own.key_pattern, _seen(own)) if own is not None else None))
        _add(entry, "schema", dataset.get("Schema", "InlineDataSchema") or _text(dataset.get("Schema")))
        if own is not None:
            free.remove(own)
        else:
            plan.problems.append(f"dataset '{name}': no CSV files were found under '{prefix.value}'")
        plan.datasets.append(entry)
    known = {entry["prefix"].value for entry in plan.datasets}
    free = [one for one in free if not any((base + one.prefix).startswith(prefix) for prefix in known)]
    wanted = _wanted(found, told)
    if len(free) == len(wanted) == 1:  # A model says what its dataset was called, and this is the only one.
        (one,) = free
        plan.datasets.append(
            {
                "name": wanted[0],
                "prefix": _guess(base + one.prefix, _seen(one)),
                "key_pattern": _guess(one.key_pattern, _seen(one)),
            }
        )
        return
    for one in free:
        name = _unused(_name_of(base + one.prefix, plan), [entry["name"].value for entry in plan.datasets])
        plan.datasets.append(
            {
                "name": _guess(name, "no file names a dataset; called after its folder"),
                "prefix": _guess(base + one.prefix, _seen(one)),
                "key_pattern": _guess(one.key_pattern, _seen(one)),
            }
        )


def _wanted(found: Survey, told: Mapping[str, Told]) -> list[Said]:
    """The datasets that models name and nobody else tells of."""
    named: dict[str, Said] = {}
    for fact in found.facts:
        name = fact.members.get("DatasetName")
        if fact.kind == "model" and isinstance(name, str) and name not in told:
            named.setdefault(name, Said(name, fact.origin_of(("DatasetName",))))
    return list(named.values())


def _seen(one: Training) -> str:
    span = f", {one.first:%Y-%m-%d} to {one.last:%Y-%m-%d}" if one.first and one.last else ""
    names = ", ".join(sorted(one.components)[:4])
    return f"{len(one.components)} components ({names}) in {one.n_files} files looked into{span}"


def _label_groups(plan: Plan, found: Survey, told: Mapping[str, Told]) -> None:
    labels: dict[str, list[Fact]] = {}
    for fact in found.facts:
        if fact.kind == "label" and fact.name is not None:
            labels.setdefault(fact.name, []).append(fact)
    for name in sorted({*told, *labels}):
        group = told.get(name)
        origin = (group.facts if group else labels[name])[0].origin
        entry: Entry = {"name": Said(name, origin)}
        _add(entry, "fault_codes", None if group is None else group.get("FaultCodes"))
        rows: dict[Any, dict[str, Said]] = {}
        for fact in labels.get(name, []):
            members = {
                "start": fact.members["StartTime"],
                "end": fact.members["EndTime"],
                "rating": fact.members.get("Rating", "ANOMALY"),
                "fault_code": fact.members.get("FaultCode"),
                "notes": fact.members.get("Notes"),
                "equipment": fact.members.get("Equipment"),
            }
            if any(isinstance(value, Unreadable) for value in members.values()):
                plan.problems.append(f"{fact.origin}: a label of group '{name}' cannot be told from there")
                continue
            plain = {key: Said(value) for key, value in members.items() if value is not None}
            rows[tuple((key, str(said.value)) for key, said in plain.items())] = plain
        if rows:
            entry["labels"] = list(rows.values())
        plan.label_groups.append(entry)


def _models(plan: Plan, found: Survey, told: Mapping[str, Told], base: str) -> None:
    if not told and plan.datasets and (found.runs or found.inputs or found.labels):
        for dataset in plan.datasets:
            entry = {
                "name": _guess(dataset["name"].value, "no file names a model; called as its dataset"),
                "dataset": Said(dataset["name"].value),
            }
            _guessed_ranges(entry, dataset, found, base)
            _guessed_labels(entry, found, base)
            plan.models.append(entry)
    for name, model in told.items():
        entry = {"name": Said(name, model.facts[0].origin)}
        dataset_name = model.get("DatasetName") or _of_arn(model.get("DatasetArn"))
        if dataset_name is None and len(plan.datasets) == 1:
            dataset_name = _guess(plan.datasets[0]["name"].value, "the only dataset")
        if dataset_name is None:
            plan.problems.append(f"{model.facts[0].origin}: nothing says which dataset model '{name}' was trained on")
            continue
        entry["dataset"] = dataset_name
        for member, path in MODEL_PATHS.items():
            _add(entry, member, model.get(*path))
        if "training_start" not in entry and "evaluation_start" not in entry:
            own = next((one for one in plan.datasets if one["name"].value == dataset_name.value), None)
            if own is not None:
                _guessed_ranges(entry, own, found, base)
        if "labels_prefix" not in entry and "label_group" not in entry:
            _guessed_labels(entry, found, base)
        plan.models.append(entry)


_LABELS = ("LabelsInputConfiguration", "S3InputConfiguration")
_DIAGNOSTICS = ("ModelDiagnosticsOutputConfiguration", "S3OutputConfiguration")
MODEL_PATHS: dict[str, tuple[str, ...]] = {
    "training_start": ("TrainingDataStartTime",),
    "training_end": ("TrainingDataEndTime",),
    "evaluation_start": ("EvaluationDataStartTime",),
    "evaluation_end": ("EvaluationDataEndTime",),
    "sampling_rate": ("DataPreProcessingConfiguration", "TargetSamplingRate"),
    "off_condition": ("OffCondition",),
    "labels_prefix": (*_LABELS, "Prefix"),
    "labels_bucket": (*_LABELS, "Bucket"),
    "label_group": ("LabelsInputConfiguration", "LabelGroupName"),
    "diagnostics_bucket": (*_DIAGNOSTICS, "Bucket"),
    "diagnostics_prefix": (*_DIAGNOSTICS, "Prefix"),
}


def _guessed_ranges(entry: Entry, dataset: Entry, found: Survey, base: str) -> None:
    """Evaluate where the old service's results are, so that both can be compared; else on the last part of the data."""
    own = next((one for one in found.training if base + one.prefix == dataset["prefix"].value), None)
    if own is None or own.first is None or own.last is None or own.last - own.first < timedelta(days=1):
        return
    spans = [(run.rows[0][0], run.rows[-1][0]) for run in found.runs.values() if run.rows]
    inside = [start for start, end in spans if own.first < start and end <= own.last + timedelta(hours=1)]
    why = "nothing says which range was evaluated: the last 30 % of the data"
    cut = own.first + (own.last - own.first) * (1 - EVALUATED_SHARE)
    if inside and min(inside) - own.first > (own.last - own.first) * 0.3:
        cut, why = min(inside), "where the old results begin"
    entry["training_start"] = _guess(own.first, "the first reading")
    entry["training_end"] = _guess(cut, why)
    entry["evaluation_start"] = _guess(cut, why)
    entry["evaluation_end"] = _guess(own.last, "the last reading")


def _guessed_labels(entry: Entry, found: Survey, base: str) -> None:
    folders = Counter(sheet.folder for sheet in found.labels)
    if len(folders) == 1:
        folder = next(iter(folders))
        why = f"the only label files that were found: {found.labels[0].key}"
        entry["labels_prefix"] = _guess(base + (f"{folder}/" if folder else ""), why)


def _labels_elsewhere(entry: Entry, found: Survey, labels: Place) -> None:
    """Whoever names a place for labels means those, whatever is told otherwise."""
    if not any(sheet.place == labels.shown for sheet in found.labels):
        return
    entry.pop("label_group", None)
    why = "as it was asked for"
    entry["labels_prefix"] = Said(LABELS_PREFIX if labels.copies else labels.prefix, why)
    entry.pop("labels_bucket", None)
    if not labels.copies:
        entry["labels_bucket"] = Said(labels.bucket, why)


def _schedulers(plan: Plan, found: Survey, told: Mapping[str, Told], base: str) -> None:
    free = list(found.inputs)
    for name, scheduler in told.items():
        entry: Entry = {"name": Said(name, scheduler.facts[0].origin)}
        _add(entry, "model", scheduler.get("ModelName") or _only_model(plan))
        for member, path in SCHEDULER_PATHS.items():
            _add(entry, member, scheduler.get(*path))
        own = next(
            (one for one in free if "input_prefix" in entry and base + one.prefix == entry["input_prefix"].value), None
        )
        if own is not None:
            free.remove(own)
            _fill(entry, own, base)
        lacking = next(
            (one for one in ("model", "upload_frequency", "input_prefix", "output_prefix") if one not in entry), None
        )
        if lacking is None:
            plan.schedulers.append(entry)
        else:
            plan.problems.append(f"{scheduler.facts[0].origin}: nothing tells the {lacking} of scheduler '{name}'")
    for one in free:
        model = _only_model(plan)
        if model is None or plan.schedulers:
            plan.problems.append(f"'{one.prefix}' holds input files of a scheduler, but nothing tells of which model")
            continue
        entry = {"name": _guess(model.value, "no file names a scheduler; called as its model"), "model": model}
        _fill(entry, one, base)
        runs = [run for run in found.runs.values() if any(file.endswith("results.jsonl") for file in run.files)]
        folder = base + runs[0].folder + "/" if len(runs) == 1 else base + "results/"
        entry["output_prefix"] = _guess(folder, "where old results are" if len(runs) == 1 else "nothing tells it")
        plan.schedulers.append(entry)


SCHEDULER_PATHS: dict[str, tuple[str, ...]] = {
    "upload_frequency": ("DataUploadFrequency",),
    "delay_minutes": ("DataDelayOffsetInMinutes",),
    "input_bucket": ("DataInputConfiguration", "S3InputConfiguration", "Bucket"),
    "input_prefix": ("DataInputConfiguration", "S3InputConfiguration", "Prefix"),
    "delimiter": ("DataInputConfiguration", "InferenceInputNameConfiguration", "ComponentTimestampDelimiter"),
    "timestamp_format": ("DataInputConfiguration", "InferenceInputNameConfiguration", "TimestampFormat"),
    "time_zone_offset": ("DataInputConfiguration", "InputTimeZoneOffset"),
    "output_bucket": ("DataOutputConfiguration", "S3OutputConfiguration", "Bucket"),
    "output_prefix": ("DataOutputConfiguration", "S3OutputConfiguration", "Prefix"),
}


def _fill(entry: Entry, one: Inference, base: str) -> None:
    """Add what the names of input files tell and nobody said."""
    seconds = min((known for known in FREQUENCIES if known >= one.step_seconds), default=3600)
    why = f"from the names of the files in '{one.prefix}'"
    for member, value in (
        ("upload_frequency", FREQUENCIES[seconds]),
        ("input_prefix", base + one.prefix),
        ("delimiter", one.delimiter),
        ("timestamp_format", one.timestamp_format),
    ):
        if member not in entry:
            entry[member] = _guess(value, why)


def _only_model(plan: Plan) -> Said | None:
    return _guess(plan.models[0]["name"].value, "the only model") if len(plan.models) == 1 else None


def _of_arn(arn: Said | None) -> Said | None:
    parts = str(arn.value).split("/") if arn is not None else []
    return Said(parts[1], arn.origin) if arn is not None and len(parts) > 1 else None


def _text(said: Said | None) -> Said | None:
    return said if said is not None and isinstance(said.value, str) else None


def _add(entry: Entry, member: str, said: Said | None) -> None:
    if said is not None:
        entry[member] = said


def _guess(value: Any, why: str) -> Said:
    return Said(value, f"guessed: {why}")


def _name_of(prefix: str, plan: Plan) -> str:
    parts = [part for part in [plan.source["bucket"].value, *prefix.split("/")] if part.lower() not in GENERIC]
    return "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in parts[-1])[:200] if parts else "adopted"


def _unused(name: str, names: Sequence[str]) -> str:
    number = 2
    while name in names:
        name, number = f"{name.rstrip('0123456789')}{number}", number + 1
    return name
