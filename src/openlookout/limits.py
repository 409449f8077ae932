"""Limits: how much of everything the service takes. `own` is generous, for one's own machine; `aws` is AWS's table.

Guide, "Guidelines and quotas". One limit is changed by the environment variable OPENLOOKOUT_LIMIT_<FIELD>.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

ENVIRONMENT_PREFIX = "OPENLOOKOUT_LIMIT_"
MB = 10**6
GB = 10**9


@dataclass(frozen=True)
class Limits:
    """Each field is a limit; the defaults are those of `own`."""

    datasets: int = 10_000
    """Datasets of an account in a region."""
    components: int = 3_000
    """Components of a dataset; more than 3,000 are never read."""
    columns: int = 6_000
    """Columns of a dataset, the timestamps of its components included; more than 3,000 sensors are never read."""
    files: int = 1_000_000
    """Files of a component in one ingestion."""
    dataset_bytes: int = 10_000 * GB
    """Bytes of all files of one ingestion."""
    dataset_unpacked_bytes: int = 1_000 * GB
    """Bytes that the compressed files of one ingestion unpack to, all together."""
    file_bytes: int = 1_000 * GB
    """Bytes of one file of an ingestion."""
    pending_ingestions: int = 1_000
    """Ingestions and dataset imports under way in an account and region."""
    models: int = 10_000
    """Models of an account in a region."""
    pending_models: int = 1_000
    """Models in training or import in an account and region."""
    training_components: int = 3_000
    """Components that a model is trained on."""
    training_columns: int = 3_000
    """Sensors that a model is trained on."""
    training_rows: int = 10_000_000
    """Rows of the training range after resampling."""
    training_days_min: int = 0
    """Days that the data of a training must span. Besides, training needs 200 rows."""
    evaluation_rows: int = 10_000_000
    """Rows of the evaluation range after resampling."""
    inference_bytes_a_minute: int = 100 * MB
    """Bytes of one execution's files, for each minute of the upload frequency."""
    inference_unpacked_bytes_a_minute: int = 1_000 * MB
    """Bytes that the compressed files of one execution unpack to, for each minute of the upload frequency."""
    inference_rows_a_minute: int = 6_000
    """Rows of one execution after resampling, for each minute of the upload frequency."""
    inference_files: int = 10_000
    """Files of a component in one execution."""
    label_groups: int = 10_000
    """Label groups of an account in a region."""
    labels: int = 100_000
    """Labels of a group."""
    tags: int = 200
    """Tags of a resource."""


OWN = Limits()
AWS = Limits(
    datasets=15,
    components=3_000,
    columns=3_000,
    files=1_000,
    dataset_bytes=50 * GB,
    dataset_unpacked_bytes=500 * GB,
    file_bytes=5 * GB,
    pending_ingestions=5,
    models=15,
    pending_models=5,
    training_components=300,
    training_columns=300,
    training_rows=1_500_000,
    training_days_min=14,
    evaluation_rows=1_500_000,
    inference_bytes_a_minute=MB,
    inference_unpacked_bytes_a_minute=10 * MB,
    inference_rows_a_minute=60,
    inference_files=60,
    label_groups=15,
    labels=3_000,
    tags=50,
)
TABLES = {"own": OWN, "aws": AWS}


def read_limits(table: str, environment: Mapping[str, str] = os.environ) -> Limits:
    """Give a table of limits, with those that the environment changes.

    Raises:
        ValueError: there is no such table, or a value is no whole number from zero; the message names it.
    """
    if table not in TABLES:
        raise ValueError(f"limits must be one of {', '.join(TABLES)}, not '{table}'")
    changes: dict[str, int] = {}
    known = {ENVIRONMENT_PREFIX + field.name.upper(): field.name for field in fields(Limits)}
    for variable, text in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        if variable not in known:
            raise ValueError(f"{variable} is no limit; there are {', '.join(known)}")
        if not (text.isascii() and text.isdecimal()):
            raise ValueError(f"{variable} must be a whole number, not '{text}'")
        changes[known[variable]] = int(text)
    return replace(TABLES[table], **changes)
