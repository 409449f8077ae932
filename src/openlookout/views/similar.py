"""What a child does for the page of an event: past events beside it, and labels out of files. Knows no rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from openlookout.buckets.buckets import BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError
from openlookout.detection.evidence_record import Evidence
from openlookout.detection.similar import similarities
from openlookout.jobs.label_reading import read_labels
from openlookout.timeseries.labels import LabelError


def rated(_settings: BucketSettings, _scratch: str, record: Evidence, others: Sequence[Evidence]) -> dict[str, Any]:
    """Give `similarity`: of each of the others to the record."""
    return {"similarity": similarities(record, others).tolist()}


def file_labels(settings: BucketSettings, _scratch: str, place: Mapping[str, Any]) -> dict[str, Any]:
    """Give `ranges` in microseconds, or `failed`, why there are none."""
    try:
        return {"ranges": list(read_labels(open_buckets(settings), place, None).anomalies)}
    except (LabelError, BucketError) as error:
        return {"failed": str(error)}
