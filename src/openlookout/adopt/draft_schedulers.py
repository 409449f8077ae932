"""From what was found to the schedulers of the plan: of inference, and of retraining."""

from collections.abc import Mapping

from openlookout.adopt.layouts import Inference
from openlookout.adopt.plan import Entry, Plan, Said
from openlookout.adopt.survey import Survey
from openlookout.adopt.told import Told, add, guess

FREQUENCIES = {300: "PT5M", 600: "PT10M", 900: "PT15M", 1800: "PT30M", 3600: "PT1H"}
RETRAINING_PATHS = {
    "frequency": "RetrainingFrequency",
    "lookback": "LookbackWindow",
    "start": "RetrainingStartDate",
    "promote_mode": "PromoteMode",
}


def draft_schedulers(plan: Plan, found: Survey, told: Mapping[str, Told], base: str) -> None:
    """Plan the inference schedulers, and one for input files of which nobody tells."""
    free = list(found.inputs)
    for name, scheduler in told.items():
        entry: Entry = {"name": Said(name, scheduler.facts[0].origin)}
        add(entry, "model", scheduler.get("ModelName") or _only_model(plan))
        for member, path in SCHEDULER_PATHS.items():
            add(entry, member, scheduler.get(*path))
        add(entry, "tags", scheduler.tags())
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
        entry = {"name": guess(model.value, "no file names a scheduler; called as its model"), "model": model}
        _fill(entry, one, base)
        runs = [run for run in found.runs.values() if any(file.endswith("results.jsonl") for file in run.files)]
        folder = base + runs[0].folder + "/" if len(runs) == 1 else base + "results/"
        entry["output_prefix"] = guess(folder, "where old results are" if len(runs) == 1 else "nothing tells it")
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
            entry[member] = guess(value, why)


def _only_model(plan: Plan) -> Said | None:
    return guess(plan.models[0]["name"].value, "the only model") if len(plan.models) == 1 else None


def draft_retraining(plan: Plan, told: Mapping[str, Told]) -> None:
    """Plan the retraining schedulers: each has the name of its model."""
    for name, scheduler in told.items():
        entry: Entry = {"name": Said(name, scheduler.facts[0].origin)}
        for member, path in RETRAINING_PATHS.items():
            add(entry, member, scheduler.get(path))
        status = scheduler.get("Status")
        if status is not None and status.value in {"STOPPED", "STOPPING"}:
            entry["started"] = Said(False, status.origin)
        lacking = next((one for one in ("frequency", "lookback") if one not in entry), None)
        if lacking is None:
            plan.retraining_schedulers.append(entry)
        else:
            origin = scheduler.facts[0].origin
            plan.problems.append(f"{origin}: nothing tells the {lacking} of the retraining of model '{name}'")
