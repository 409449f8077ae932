"""Model versions out of an installation's rows and objects into files, and back. No model is ever captive."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from openlookout.api.definition import definition
from openlookout.api.service_error import ServiceError
from openlookout.archive.file import DAMAGED, Archive, ArchiveError, read_archive, write_archive
from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, BucketSettings, open_buckets
from openlookout.detection.model_file import ModelFileError
from openlookout.jobs.version_files import parse_version
from openlookout.operations.datasets import find_dataset, insert_dataset
from openlookout.operations.imports import COPIED_CONFIGURATION
from openlookout.operations.models import insert_model, model_arn
from openlookout.operations.operation import Context, Ports, named, new_hex_id, new_id
from openlookout.store.audit import LOCAL, Entry, note
from openlookout.store.lifecycles import WORKING
from openlookout.store.model_versions import activate, next_version, version_id
from openlookout.store.subjects import version_subject
from openlookout.store.tables import dataset, model, model_version
from openlookout.timeseries.off_condition import OffConditionError
from openlookout.timeseries.schema import SchemaError, parse_schema, schema_text, subset
from openlookout.wire.validation import compile_validators

# Columns of a version that travel; times as ISO 8601.
TEXTS = ("quality", "metrics", "prior_metrics", "source_type")
TIMES = (
    "created_at",
    "training_started_at",
    "training_ended_at",
    "training_data_start",
    "training_data_end",
    "evaluation_data_start",
    "evaluation_data_end",
)

QUALITIES = (*definition()["shapes"]["ModelQuality"]["enum"], None)
METRICS_CHARACTERS_MAX = definition()["shapes"]["ModelMetrics"]["max"]
VALIDATORS = compile_validators(definition())


@dataclass(frozen=True)
class Place:
    """Where to read and write: an installation, and the account and region of what is named."""

    ports: Ports
    buckets: BucketSettings
    account: str
    region: str

    def context(self, operation: str) -> Context:
        return Context(operation, self.account, self.region, "", self.ports)


@dataclass(frozen=True)
class Imported:
    """What an import made."""

    model: str
    version: int
    dataset: str
    is_active: bool


def export_version(place: Place, name: str, number: int | None, path: Path) -> tuple[int, str]:
    """Write a version of a model (None: the active one) to a file; give its number and the file's digest.

    Raises:
        ArchiveError: there is no such version, it is not SUCCESS, or its objects are gone.
        OSError: the file cannot be written.
    """
    context = place.context("export")
    with place.ports.database.reading() as connection:
        found = named(context, connection, model, name)
        if found is None:
            raise ArchiveError(f"the model '{name}' does not exist in account {place.account}, region {place.region}")
        wanted = number or found.active_version
        version = connection.execute(
            select(model_version).where(model_version.c.model_id == found.id, model_version.c.version == wanted)
        ).one_or_none()
        data = connection.execute(select(dataset.c.name).where(dataset.c.id == found.dataset_id)).scalar_one()
    if version is None:
        raise ArchiveError(f"the model '{name}' has no {'active version' if wanted is None else f'version {wanted}'}")
    if version.status != "SUCCESS":
        raise ArchiveError(f"version {wanted} of the model '{name}' is {version.status}; only SUCCESS can be exported")
    buckets = open_buckets(place.buckets)
    detector = buckets.read(SERVICE, layout.detector(version.object_prefix))
    summary = buckets.read(SERVICE, layout.training_summary(version.object_prefix))
    key = layout.detectability(version.object_prefix)
    detectability = buckets.read(SERVICE, key) if buckets.exists(SERVICE, key) else None
    arn = f"{model_arn(context, found.name, found.id)}/model-version/{version.version}"
    said = _description(found.name, data, version, arn)
    return version.version, write_archive(path, said, detector, summary, detectability=detectability)


def import_version(
    place: Place, path: Path, *, digest: str | None, model_name: str | None, dataset_name: str | None
) -> Imported:
    """Make an exported file the next version of a model; a new model's version 1 is active.

    The dataset is made (without data) when it is not there.

    Raises:
        ArchiveError: the file is none, was changed, or does not fit the dataset or model; a name or quota forbids it.
        OSError: the file cannot be read.
    """
    archive = read_archive(path, digest)
    try:
        said = archive.description
        files = parse_version(archive.summary, archive.detector)
        name, data = model_name or str(said["model"]), dataset_name or str(said["dataset"])
        _check(said, name, data)
        values = _values(said) | {
            "data_schema": schema_text(files.schema),
            "sampling_rate_us": files.sampling.rate_us,
            "imported_bytes": len(archive.detector) + len(archive.summary),
        }
        return _insert(place, archive, name, data, values)
    except ServiceError as error:
        raise ArchiveError(str(error)) from None
    except (ModelFileError, SchemaError, OffConditionError, AttributeError, OverflowError, *DAMAGED) as error:
        raise ArchiveError(f"{path} cannot be used: {type(error).__name__}: {str(error)[:500]}") from None


def _insert(place: Place, archive: Archive, name: str, data: str, values: Mapping[str, Any]) -> Imported:
    """Objects first, then the rows that mention them."""
    context, buckets = place.context("import"), open_buckets(place.buckets)
    now = context.now()
    with place.ports.database.reading() as connection:
        found = named(context, connection, model, name)
    identity = new_id() if found is None else found.id
    prefix = layout.from_file(identity, new_hex_id())
    buckets.write(SERVICE, layout.detector(prefix), archive.detector)
    buckets.write(SERVICE, layout.training_summary(prefix), archive.summary)
    if archive.detectability is not None:
        buckets.write(SERVICE, layout.detectability(prefix), archive.detectability)
    with place.ports.database.writing() as connection:
        source = _dataset(context, connection, data, values["data_schema"])
        if found is None:
            row = {
                "id": identity,
                "name": name,
                "dataset_id": source.id,
                "created_at": now,
                "updated_at": now,
                "configuration": values["configuration"],
                "status": "SUCCESS",
            }
            insert_model(context, connection, row)
        elif found.status in WORKING:
            raise ArchiveError(f"the model '{name}' is {found.status}; import when that has ended")
        elif found.dataset_id != source.id:
            raise ArchiveError(f"the model '{name}' belongs to another dataset than '{data}'")
        number, created_at = next_version(connection, identity, now)
        row = {
            **values,
            "model_id": identity,
            "version": number,
            "created_at": created_at,
            "updated_at": created_at,
            "status": "SUCCESS",
            "source_type": "IMPORT",
            "attempt": 1,
            "ingestion_job_id": source.ingestion_job_id,
            "object_prefix": prefix,
            "import_started_at": now,
            "import_ended_at": now,
        }
        connection.execute(model_version.insert(), row)
        activate(connection, identity, number, now, replacing=False)
        made = version_subject(connection, version_id(identity, number))
        assert made is not None
        asked = {"model": name, "dataset": data, "source_arn": values["source_arn"]}
        entry = Entry(now, place.account, place.region, LOCAL, "ImportFile", made.arn, "command", request=asked)
        note(connection, replace(entry, after=made.state))
    return Imported(name, number, data, is_active=found is None or found.active_version is None)


def _dataset(context: Context, connection: Connection, name: str, schema: str) -> Row[Any]:
    """Give the dataset, made if it is not there.

    Raises:
        SchemaError: it lacks a sensor of the version.
    """
    found = named(context, connection, dataset, name)
    if found is None:
        row = {"id": new_id(), "name": name, "status": "CREATED", "data_schema": schema, "schema_given": True}
        insert_dataset(context, connection, row)
        return find_dataset(context, connection, name)
    if found.data_schema is not None:
        subset(parse_schema(found.data_schema), parse_schema(schema))
    return found


def _description(name: str, data: str, version: Row[Any], arn: str) -> dict[str, Any]:
    times = {name: version._mapping[name] for name in TIMES}
    return {
        "model": name,
        "dataset": data,
        "version": version.version,
        "arn": arn,
        "configuration": {
            name: version.configuration[name] for name in COPIED_CONFIGURATION if name in version.configuration
        },
        "labelled": version.labelled,
        **{name: version._mapping[name] for name in TEXTS},
        **{name: None if at is None else at.astimezone(UTC).isoformat() for name, at in times.items()},
    }


def _check(said: Mapping[str, Any], name: str, data: str) -> None:
    """Hold what a file says against what the API would take and show.

    Raises:
        ServiceError, TypeError, ValueError: it would not.
    """
    named = {"ModelName": name, "DatasetName": data, "ClientToken": "file"}
    VALIDATORS["CreateModel"]({**named, **_values(said)["configuration"]})
    VALIDATORS["ImportModelVersion"]({**named, "SourceModelVersionArn": said["arn"]})
    for member, possible in (("quality", QUALITIES), ("labelled", (True, False, None))):
        if said[member] not in possible:
            message = f"{member} is {str(said[member])[:100]!r}; possible are {', '.join(map(str, possible))}"
            raise ValueError(message)
    for member in ("metrics", "prior_metrics"):
        text = said[member]
        if text is not None and not (isinstance(json.loads(text), dict) and len(text) <= METRICS_CHARACTERS_MAX):
            message = f"{member} is no JSON object of at most {METRICS_CHARACTERS_MAX} characters"
            raise ValueError(message)


def _time(text: str | None) -> datetime | None:
    at = None if text is None else datetime.fromisoformat(text)
    if at is not None and at.tzinfo is None:
        message = f"the time {text} has no zone"
        raise ValueError(message)
    return at


def _values(said: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a description."""
    times = {name: _time(said[name]) for name in TIMES[1:]}
    return {
        "configuration": {
            name: said["configuration"][name] for name in COPIED_CONFIGURATION if name in said["configuration"]
        },
        "labelled": said["labelled"],
        "quality": said["quality"],
        "metrics": said["metrics"],
        "prior_metrics": said["prior_metrics"],
        "source_arn": said["arn"],
        **times,
    }
