"""`openlookout adopt`: look, plan, and on the second call make what the plan says, and compare. Given a client."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from openlookout.adopt import report
from openlookout.adopt.agreement import Agreement, compare
from openlookout.adopt.apply import Client, Done, apply
from openlookout.adopt.draft import LABELS_PREFIX, draft
from openlookout.adopt.evidence import new_found, old_found
from openlookout.adopt.facts import moment
from openlookout.adopt.leftovers import AdoptRefused, Place, find_place
from openlookout.adopt.plan import read_plan, write_plan
from openlookout.adopt.survey import Survey, survey
from openlookout.buckets.buckets import BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError
from openlookout.store.durations import duration

RESULTS = "/results.jsonl"

Replayer = Callable[[str, tuple[datetime, datetime]], str]


@dataclass(frozen=True)
class Request:
    """What the command was asked for. `buckets`: where this service has its buckets; None: that cannot be reached."""

    source: str
    labels: str | None
    old_results: str | None
    plan: Path
    report: Path
    applies_at_once: bool
    buckets: BucketSettings
    can_copy: bool


def adopt(
    request: Request,
    connect: Callable[[], AbstractContextManager[Client]],
    replayer: Replayer | None,
    console: Console,
) -> int:
    """Do what is next; give the exit code: 0 when it is done, 1 when something could not be made.

    Raises:
        AdoptRefused: nothing can be done as it was asked for.
    """
    place = find_place(request.source, request.buckets)
    labels = None if request.labels is None else find_place(request.labels, request.buckets)
    results = None if request.old_results is None else find_place(request.old_results, request.buckets)
    others = [one for one in (labels, results) if one is not None]
    with console.status("looking at the files …") as status:
        found = survey([place, *others], lambda key: status.update(f"looking at {key} …"))
    if not request.plan.exists():
        text = _plan_text(found, place, labels)
        request.plan.write_text(text, encoding="utf-8")
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        if not request.applies_at_once:
            console.print(f"Wrote {request.plan}. Read it, change what is wrong, and run the same command again.")
            return 0
    plan = read_plan(str(request.plan), request.plan.read_text(encoding="utf-8"))
    for problem in found.problems:
        console.print(f"not read: {problem}", markup=False, highlight=False)
    if plan["source"].get("copy"):
        _copy_all(request, place, labels, plan, console)
    with connect() as client:
        with console.status("making what the plan says …") as status:
            done = apply(client, plan, lambda said: status.update(f"{said} …"))
        _say(done, console)
        _replay(client, found, plan, replayer, console)
        agreements = _agreements(client, found, plan, done)
    report.show(console, agreements)
    html, plain = request.report.with_suffix(".html"), request.report.with_suffix(".json")
    html.write_text(report.as_html(agreements, found.problems, datetime.now(UTC)), encoding="utf-8")
    plain.write_text(report.as_json(agreements, found.problems), encoding="utf-8")
    console.print(f"The report is in {html} and {plain}.")
    return int(any(one.state == "failed" for one in done))


def _plan_text(found: Survey, place: Place, labels: Place | None) -> str:
    plan = draft(found, place, labels)
    if not plan.datasets and not plan.models and not plan.label_groups:
        said = "".join(f"\n* {problem}" for problem in plan.problems[:20])
        raise AdoptRefused(f"nothing of the old service was recognised in {place.shown}{said}")
    return write_plan(plan)


def _copy_all(request: Request, place: Place, labels: Place | None, plan: Mapping[str, Any], console: Console) -> None:
    """Copy the files that the plan speaks of into the service's bucket; those that are there already stay."""
    if not request.can_copy:
        raise AdoptRefused(
            f"the service at the endpoint has buckets of its own: copy {place.shown} there, or give --data, the folder "
            "that it runs on"
        )
    bucket, base = plan["source"]["bucket"], plan["source"].get("key_prefix", "")
    wanted = [
        *(one["prefix"] for one in plan["datasets"]),
        *(one["labels_prefix"] for one in plan["models"] if "labels_prefix" in one),
        *(one["input_prefix"] for one in plan["schedulers"]),
    ]
    results = [one["output_prefix"] for one in plan["schedulers"]]
    target = open_buckets(request.buckets)
    if request.buckets.kind == "folder":
        (request.buckets.root / bucket).mkdir(parents=True, exist_ok=True)
    files = [(place, info, base + info.key) for info in place.files]
    if labels is not None and labels.copies:
        files += [(labels, info, LABELS_PREFIX + info.key.removeprefix(labels.prefix)) for info in labels.files]
    n_copied = 0
    try:
        there = {info.key: info.size for info in target.list(bucket, "")}
        with console.status("copying files …") as status, tempfile.TemporaryDirectory(prefix="adopt-") as scratch:
            for of, info, key in files:
                is_wanted = any(key.startswith(prefix) for prefix in wanted) and there.get(key) != info.size
                # Results that are there may be ours by now.
                is_result = key.endswith(RESULTS) and key not in there and any(key.startswith(one) for one in results)
                if not (is_wanted or is_result):
                    continue
                status.update(f"copying {info.key} …")
                path = Path(scratch) / "file"
                with of.open(info.key) as stream, path.open("wb") as file:
                    shutil.copyfileobj(stream, file)
                target.write_file(bucket, key, path)
                n_copied += 1
    except BucketError as error:
        raise AdoptRefused(f"the files cannot be copied: {error}") from None
    console.print(f"{n_copied} files copied into bucket {bucket}; what was there already stayed.")


def _say(done: Sequence[Done], console: Console) -> None:
    words = {"made": "[green]made[/green]", "there": "is there", "failed": "[red]failed[/red]"}
    for one in done:
        console.print(f"{one.kind} {one.name}: {words[one.state]}", highlight=False)
        if one.said:
            console.print(f"  {one.said}", markup=False, highlight=False)


def _replay(
    client: Client, found: Survey, plan: Mapping[str, Any], replayer: Replayer | None, console: Console
) -> None:
    """Score what the old service scored live, where its input files are still there and it was not done before."""
    base = plan["source"].get("key_prefix", "")
    for scheduler in plan["schedulers"]:
        inputs = next((one for one in found.inputs if base + one.prefix == scheduler["input_prefix"]), None)
        if inputs is None:
            continue
        # A file's name tells when its window begins.
        end = inputs.last + duration(scheduler["upload_frequency"])
        with contextlib.suppress(client.exceptions.ResourceNotFoundException):
            there = client.list_inference_executions(
                InferenceSchedulerName=scheduler["name"], DataEndTimeBefore=end, Status="SUCCESS", MaxResults=1
            )
            if there["InferenceExecutionSummaries"]:
                continue
            if replayer is None:
                console.print(
                    f"The old input files of {scheduler['name']} were not scored: the API has no operation for that. "
                    f"Run on the machine of the service: openlookout replay {scheduler['name']} "
                    f"--from {inputs.first:%Y-%m-%dT%H:%M}Z --to {end:%Y-%m-%dT%H:%M}Z --data …",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )
                continue
            with console.status(f"scoring the input files of {scheduler['name']} …"):
                console.print(replayer(scheduler["name"], (inputs.first, end)), highlight=False)


def _agreements(client: Client, found: Survey, plan: Mapping[str, Any], done: Sequence[Done]) -> list[Agreement]:
    failed = {(one.kind, one.name) for one in done if one.state == "failed"}
    agreements = []
    for model in plan["models"]:
        if ("model", model["name"]) in failed:
            continue
        schedulers = [
            one
            for one in plan["schedulers"]
            if one["model"] == model["name"] and ("scheduler", one["name"]) not in failed
        ]
        new = new_found(client, model, schedulers)
        labels = [span for sheet in found.labels for span in sheet.labels]
        labels += [
            (moment(label["start"]), moment(label["end"]))
            for group in plan["label_groups"]
            if group["name"] == model.get("label_group")
            for label in group.get("labels", [])
        ]
        agreements.append(compare(model["name"], old_found(found, plan, model), new, labels))
    return agreements
