"""Labels as a child reads them, from what `label_sources` gave."""

from collections.abc import Mapping
from typing import Any

from openlookout.buckets.buckets import Buckets
from openlookout.detection.evaluate import Labels
from openlookout.jobs.label_sources import GroupLabels
from openlookout.timeseries.labels import LabelError, parse_labels

LABEL_FILE_BYTES_MAX = 64 * 2**20


def read_labels(buckets: Buckets, place: Mapping[str, Any] | None, group: GroupLabels | None) -> Labels:
    """Give all labels: of the files below the place's prefix, or of the group; none without either.

    Raises:
        LabelError: there is no file, or one cannot be read.
    """
    if group is not None:
        return Labels(*([(start, end) for start, end in group[kind]] for kind in ("ANOMALY", "NO_ANOMALY", "NEUTRAL")))
    if place is None:
        return Labels()
    bucket, prefix = place["Bucket"], place.get("Prefix", "")
    labels: list[tuple[int, int]] = []
    keys = [found for found in buckets.list(bucket, prefix) if not found.key.endswith("/")]
    if not keys:
        raise LabelError(f"no label file was found under s3://{bucket}/{prefix}")
    for found in keys:
        if found.size > LABEL_FILE_BYTES_MAX:
            raise LabelError(f"label file '{found.key}' has {found.size} bytes; {LABEL_FILE_BYTES_MAX} is the limit")
        labels += parse_labels(found.key, buckets.read(bucket, found.key))
    return Labels(anomalies=sorted(labels))
