"""The key of every object that we write: named by identity and attempt, never by the clock. Knows texts only.

Components may differ in case alone (`Pump`, `pump`), which some file systems take for one: see `_segment`.
"""

import hashlib
from datetime import UTC, datetime
from urllib.parse import quote


def ingestion(dataset_id: str, job_id: str, attempt: int) -> str:
    """The prefix of one attempt of an ingestion: manifest, statistics and parts."""
    return f"datasets/{dataset_id}/{job_id}/{attempt}/"


def manifest(ingestion_prefix: str) -> str:
    return f"{ingestion_prefix}manifest.json"


def statistics(ingestion_prefix: str) -> str:
    return f"{ingestion_prefix}statistics.json"


def marks(ingestion_prefix: str) -> str:
    """Where the faults of an ingestion's readings are, for whoever looks at them."""
    return f"{ingestion_prefix}marks.json"


def part(ingestion_prefix: str, component: str, number: int) -> str:
    return f"{ingestion_prefix}{_segment(component)}/{number:06}.parquet"


def version(model_id: str, number: int, attempt: int) -> str:
    """The prefix of one attempt of a training."""
    return f"models/{model_id}/{number}/{attempt}/"


def from_file(model_id: str, identity: str) -> str:
    """The prefix of a version that was read from an exported file."""
    return f"models/{model_id}/file-{identity}/"


def detector(version_prefix: str) -> str:
    return f"{version_prefix}model.npz"


def training_summary(version_prefix: str) -> str:
    return f"{version_prefix}summary.json"


def diagnostics(version_prefix: str) -> str:
    """The prefix of what is known of a version beside its metrics: see jobs/version_diagnostics.py."""
    return f"{version_prefix}diagnostics/"


def detectability(version_prefix: str) -> str:
    return f"{diagnostics(version_prefix)}detectability.json"


def events(diagnostics_prefix: str) -> str:
    return f"{diagnostics_prefix}events.json"


def scores(diagnostics_prefix: str) -> str:
    return f"{diagnostics_prefix}scores.parquet"


def overview(diagnostics_prefix: str) -> str:
    return f"{diagnostics_prefix}overview.json"


def bands(diagnostics_prefix: str) -> str:
    return f"{diagnostics_prefix}bands.json"


def pointwise_part(diagnostics_prefix: str, number: int) -> str:
    return f"{diagnostics_prefix}pointwise/{number:06}.parquet"


def scheduler(scheduler_id: str) -> str:
    """The prefix of what a scheduler keeps."""
    return f"schedulers/{scheduler_id}/"


def live_state(scheduler_id: str, execution_id: str, attempt: int) -> str:
    return f"schedulers/{scheduler_id}/state/{execution_id}-{attempt}.npz"


def accumulated(model_id: str, execution_id: str, attempt: int) -> str:
    """The prefix of the readings of one attempt of an execution, kept for retraining."""
    return f"models/{model_id}/accumulated/{execution_id}-{attempt}/"


def what_if(model_id: str, identity: str) -> str:
    """The prefix of a what-if of a model, without a slash at its end: each attempt has one below it."""
    return f"models/{model_id}/what-if/{identity}"


def what_if_rows(prefix: str) -> str:
    return f"{prefix}rows.parquet"


def what_if_summary(prefix: str) -> str:
    return f"{prefix}summary.json"


def imported(model_id: str, number: int, attempt: int, data_end: datetime) -> str:
    """The prefix of accumulated readings that came with an imported version; `data_end` is aware."""
    return f"models/{model_id}/accumulated/import-{number}-{attempt}/{_time(data_end):%Y%m%dT%H%M%SZ}/"


def accumulated_part(prefix: str, component: str) -> str:
    return f"{prefix}{_segment(component)}.parquet"


def results(output_prefix: str, data_start: datetime) -> str:
    """Where the customer finds the results of one execution; `data_start` is aware. Guide, "Reviewing results"."""
    return f"{output_prefix}{_time(data_start):%Y-%m-%dT%H:%M:%SZ}/results.jsonl"


def earlier_results(key: str, revision: int) -> str:
    """Where a revision of results is kept that a later one replaced; no name that readers of `*.jsonl` find."""
    return f"{key}.revision-{revision}"


def evidence(output_prefix: str, data_start: datetime) -> str:
    """Beside the results: what speaks for the events of the execution. Ours."""
    return f"{output_prefix}{_time(data_start):%Y-%m-%dT%H:%M:%SZ}/evidence.jsonl"


def results_parquet(results_key: str) -> str:
    """Where the same results are as Parquet, if they are wanted."""
    return results_key.removesuffix(".jsonl") + ".parquet"


def pointwise_diagnostics(output_prefix: str, model_name: str, number: int) -> str:
    """Where the customer finds the score of every row; the folder between prefix and name is our decision."""
    return f"{customer_diagnostics(output_prefix, model_name, number)}model_diagnostics_results.json.gz"


def customer_diagnostics(output_prefix: str, model_name: str, number: int) -> str:
    """The folder in which a customer finds the diagnostics of a version."""
    return f"{output_prefix}{model_name}/model-version-{number}/"


def _time(moment: datetime) -> datetime:
    assert moment.tzinfo is not None, "a key names a moment, not a clock on a wall"
    return moment.astimezone(UTC)


def _segment(component: str) -> str:
    """A component's name as one segment: no `..`, nothing hidden, no two alike where case does not count.

    Only the first dot is quoted, so that 200 signs stay below the 255 of a file name.
    """
    quoted = quote(component, safe="-_.")
    if quoted.startswith("."):
        quoted = f"%2E{quoted[1:]}"
    if component == component.lower():
        return quoted
    return f"{quoted}~{hashlib.sha256(component.encode()).hexdigest()[:12]}"
