"""From what was found to a plan: what the service's own answers say counts before a script, that before a template, and
a guess only where nobody says anything. Every value keeps where it is from.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from openlookout.adopt.draft_schedulers import draft_retraining, draft_schedulers
from openlookout.adopt.facts import NAMES, Fact, Kind, Unreadable
from openlookout.adopt.layouts import Training
from openlookout.adopt.leftovers import Place
from openlookout.adopt.plan import Entry, Plan, Said
from openlookout.adopt.sensors import sensors_of
from openlookout.adopt.survey import Survey
from openlookout.adopt.told import Told, add, by_name, guess

GENERIC = {"training", "train", "training-data", "training_data", "data", "input", "inputs", "raw", "dataset", ""}
EVALUATED_SHARE = 0.3
LABELS_PREFIX = "adopted-labels/"  # Where labels are copied to that are elsewhere.


def draft(found: Survey, place: Place, labels: Place | None = None) -> Plan:
    """Give the plan for everything that was found; `labels`: where label files are, if that is elsewhere."""
    kinds: tuple[Kind, ...] = ("dataset", "model", "scheduler", "label_group", "retraining_scheduler")
    by_kind = {kind: by_name(found.facts, kind) for kind in kinds}
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
        if fact.kind != "label" and isinstance(fact.members.get(NAMES[fact.kind]), Unreadable):
            plan.problems.append(f"{fact.origin}: the name of a {fact.kind} cannot be told from there")
    _datasets(plan, found, by_kind["dataset"], base)
    _label_groups(plan, found, by_kind["label_group"])
    if labels is not None:
        plan.source["labels"] = Said(labels.shown, "its files are copied too" if labels.copies else "")
    _models(plan, found, by_kind["model"], base)
    if labels is not None:
        for entry in plan.models:
            _labels_elsewhere(entry, found, labels)
    draft_schedulers(plan, found, by_kind["scheduler"], base)
    draft_retraining(plan, by_kind["retraining_scheduler"])
    return plan


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
            own, prefix = free[0], guess(base + free[0].prefix, "the only training data that was found")
        if prefix is None:
            plan.problems.append(f"{dataset.facts[0].origin}: nothing says where the data of dataset '{name}' is")
            continue
        entry: Entry = {"name": Said(name, dataset.facts[0].origin), "prefix": prefix}
        add(entry, "bucket", dataset.get(*place, "Bucket"))
        pattern = dataset.get(*place, "KeyPattern")
        add(entry, "key_pattern", pattern or (guess(own.key_pattern, _seen(own)) if own is not None else None))
        add(entry, "schema", dataset.get("Schema", "InlineDataSchema") or _text(dataset.get("Schema")))
        add(entry, "tags", dataset.tags())
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
                "prefix": guess(base + one.prefix, _seen(one)),
                "key_pattern": guess(one.key_pattern, _seen(one)),
            }
        )
        return
    for one in free:
        name = _unused(_name_of(base + one.prefix, plan), [entry["name"].value for entry in plan.datasets])
        plan.datasets.append(
            {
                "name": guess(name, "no file names a dataset; called after its folder"),
                "prefix": guess(base + one.prefix, _seen(one)),
                "key_pattern": guess(one.key_pattern, _seen(one)),
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
        add(entry, "fault_codes", None if group is None else group.get("FaultCodes"))
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
        add(entry, "tags", None if group is None else group.tags())
        if rows:
            entry["labels"] = list(rows.values())
        plan.label_groups.append(entry)


def _models(plan: Plan, found: Survey, told: Mapping[str, Told], base: str) -> None:
    if not told and plan.datasets and (found.runs or found.inputs or found.labels):
        for dataset in plan.datasets:
            entry = {
                "name": guess(dataset["name"].value, "no file names a model; called as its dataset"),
                "dataset": Said(dataset["name"].value),
            }
            _guessed_ranges(entry, dataset, found, base)
            _guessed_labels(entry, found, base)
            plan.models.append(entry)
    for name, model in told.items():
        entry = {"name": Said(name, model.facts[0].origin)}
        dataset_name = model.get("DatasetName") or _of_arn(model.get("DatasetArn"))
        if dataset_name is None and len(plan.datasets) == 1:
            dataset_name = guess(plan.datasets[0]["name"].value, "the only dataset")
        if dataset_name is None:
            plan.problems.append(f"{model.facts[0].origin}: nothing says which dataset model '{name}' was trained on")
            continue
        entry["dataset"] = dataset_name
        for member, path in MODEL_PATHS.items():
            add(entry, member, model.get(*path))
        add(entry, "sensors", _sensors(plan, found, model, str(dataset_name.value), base))
        add(entry, "tags", model.tags())
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


def _sensors(plan: Plan, found: Survey, model: Told, dataset_name: str, base: str) -> Said | None:
    """The sensors that a model was trained on, where those are not all of its dataset."""
    said = model.get("Schema", "InlineDataSchema") or _text(model.get("Schema"))
    if said is None:
        return None
    try:
        own = sensors_of(said.value)
        dataset = next((one for one in plan.datasets if one["name"].value == dataset_name), None)
        schema = None if dataset is None else dataset.get("schema")
        everything = None if schema is None else sensors_of(schema.value)
    except ValueError as error:
        plan.problems.append(f"{said.origin}: the schema of model '{model.name}' cannot be read: {error}")
        return None
    if everything is None and dataset is not None:
        there = next((one for one in found.training if base + one.prefix == dataset["prefix"].value), None)
        if there is not None:
            everything = [f"{component}\\{sensor}" for component, names in there.components.items() for sensor in names]
    return None if everything is not None and set(own) == set(everything) else Said(own, said.origin)


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
    entry["training_start"] = guess(own.first, "the first reading")
    entry["training_end"] = guess(cut, why)
    entry["evaluation_start"] = guess(cut, why)
    entry["evaluation_end"] = guess(own.last, "the last reading")


def _guessed_labels(entry: Entry, found: Survey, base: str) -> None:
    folders = Counter(sheet.folder for sheet in found.labels)
    if len(folders) == 1:
        folder = next(iter(folders))
        why = f"the only label files that were found: {found.labels[0].key}"
        entry["labels_prefix"] = guess(base + (f"{folder}/" if folder else ""), why)


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


def _of_arn(arn: Said | None) -> Said | None:
    parts = str(arn.value).split("/") if arn is not None else []
    return Said(parts[1], arn.origin) if arn is not None and len(parts) > 1 else None


def _text(said: Said | None) -> Said | None:
    return said if said is not None and isinstance(said.value, str) else None


def _name_of(prefix: str, plan: Plan) -> str:
    parts = [part for part in [plan.source["bucket"].value, *prefix.split("/")] if part.lower() not in GENERIC]
    return "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in parts[-1])[:200] if parts else "adopted"


def _unused(name: str, names: Sequence[str]) -> str:
    number = 2
    while name in names:
        name, number = f"{name.rstrip('0123456789')}{number}", number + 1
    return name
