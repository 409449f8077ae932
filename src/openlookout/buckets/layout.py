"""The key of every object that we write: named by identity and attempt, never by the clock."""

from datetime import datetime
from urllib.parse import quote


def ingestion(dataset_id: str, job_id: str, attempt: int) -> str:
    """The prefix of one attempt of an ingestion: manifest, statistics and parts."""
    return f"datasets/{dataset_id}/{job_id}/{attempt}/"


def manifest(ingestion_prefix: str) -> str:
    return f"{ingestion_prefix}manifest.json"


def statistics(ingestion_prefix: str) -> str:
    return f"{ingestion_prefix}statistics.json"


def part(ingestion_prefix: str, component: str, number: int) -> str:
    # Quoted: a component may be called '..'.
    return f"{ingestion_prefix}{_segment(component)}/{number:06}.parquet"


def version(model_id: str, number: int, attempt: int) -> str:
    """The prefix of one attempt of a training."""
    return f"models/{model_id}/{number}/{attempt}/"


def detector(version_prefix: str) -> str:
    return f"{version_prefix}model.npz"


def training_summary(version_prefix: str) -> str:
    return f"{version_prefix}summary.json"


def scheduler(scheduler_id: str) -> str:
    """The prefix of what a scheduler keeps."""
    return f"schedulers/{scheduler_id}/"


def live_state(scheduler_id: str, execution_id: str, attempt: int) -> str:
    return f"schedulers/{scheduler_id}/state/{execution_id}-{attempt}.npz"


def accumulated(scheduler_id: str, data_end: datetime, component: str) -> str:
    return f"schedulers/{scheduler_id}/accumulated/{data_end:%Y%m%dT%H%M%SZ}/{_segment(component)}.parquet"


def results(output_prefix: str, data_start: datetime) -> str:
    """Where the customer finds the results of one execution."""
    return f"{output_prefix}{data_start:%Y-%m-%dT%H:%M:%SZ}/results.jsonl"


def pointwise_diagnostics(output_prefix: str, model_name: str, number: int) -> str:
    """Where the customer finds the score of every row; the folder between prefix and name is our decision."""
    return f"{output_prefix}{model_name}/model-version-{number}/model_diagnostics_results.json.gz"


def _segment(component: str) -> str:
    return quote(component, safe="-_").replace(".", "%2E")
