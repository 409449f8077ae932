"""Model versions: what each training made, and which one is active."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, select, type_coerce

from openlookout.alerts.notes import note_promoted
from openlookout.api.errors import ConflictException, ResourceNotFoundException
from openlookout.api.instants import seconds_of
from openlookout.api.types import (
    DescribeModelVersionRequest,
    DescribeModelVersionResponse,
    ListModelVersionsRequest,
    ListModelVersionsResponse,
    ModelVersionSummary,
    UpdateActiveModelVersionRequest,
    UpdateActiveModelVersionResponse,
)
from openlookout.operations.changes import changing
from openlookout.operations.listing import INTEGER_MAX, Listing, page
from openlookout.operations.models import described_training, find_model, model_arn
from openlookout.operations.operation import Context, operation, s3_object
from openlookout.store.model_versions import activate
from openlookout.store.tables import dataset, model_version

_MODEL_ID = "(SELECT id FROM model WHERE account = :account AND region = :region AND name = :ModelName)"
MODEL_VERSIONS = Listing(
    source=select(
        model_version.c.model_id,
        model_version.c.version,
        type_coerce(model_version.c.created_at, BigInteger).label("created_at"),  # Microseconds, as it is kept.
        model_version.c.status,
        model_version.c.source_type,
        model_version.c.quality,
    ),
    scope=f"model_id = {_MODEL_ID}",  # Always applied: no model, no rows.
    key=("version",),
    filters={"Status": "status = :Status", "SourceType": "source_type = :SourceType"},
    # CreatedAt strictly increases with the version, so a time is a version: found by one look into an index instead of
    # by reading every version before it.
    above={
        "CreatedAtStartTime": f"COALESCE((SELECT v.version FROM model_version v WHERE v.model_id = {_MODEL_ID}"
        " AND v.created_at <= :CreatedAtStartTime ORDER BY v.created_at DESC LIMIT 1), 0)",
        "MinModelVersion": ":MinModelVersion - 1",
    },
    below={
        "CreatedAtEndTime": f"COALESCE((SELECT v.version FROM model_version v WHERE v.model_id = {_MODEL_ID}"
        f" AND v.created_at >= :CreatedAtEndTime ORDER BY v.created_at LIMIT 1), {INTEGER_MAX})",
        "MaxModelVersion": ":MaxModelVersion + 1",
    },
)


@operation
def list_model_versions(context: Context, request: ListModelVersionsRequest) -> ListModelVersionsResponse:
    """List the versions of one model, lowest first; every filter given must hold.

    An unknown model, or none, has no versions: the answer is an empty list, not an error.

    Raises:
        ValidationException: NextToken was issued for another account or for other filters.
    """
    name = request.get("ModelName")
    scope = {"account": context.account, "region": context.region, "ModelName": name}
    rows, next_token = page(context, MODEL_VERSIONS, request, scope)
    arn = model_arn(context, name, rows[0].model_id) if name and rows else ""
    return {"ModelVersionSummaries": [_summary(name or "", arn, row) for row in rows], "NextToken": next_token}


@operation
def describe_model_version(context: Context, request: DescribeModelVersionRequest) -> DescribeModelVersionResponse:
    """Describe one version: what it was trained with, how it went, and how good it is.

    Raises:
        ResourceNotFoundException: there is no such model, or it has no such version.
    """
    with context.database.reading() as connection:
        found = find_model(context, connection, request["ModelName"])
        version = _find_version(connection, found, request["ModelVersion"])
        source = connection.execute(select(dataset).where(dataset.c.id == found.dataset_id)).one()
    arn = model_arn(context, found.name, found.id)
    described: DescribeModelVersionResponse = {
        "ModelName": found.name,
        "ModelArn": arn,
        "ModelVersion": version.version,
        "ModelVersionArn": f"{arn}/model-version/{version.version}",
        "Status": version.status,
        "SourceType": version.source_type,
        "CreatedAt": version.created_at,
        "LastUpdatedTime": version.updated_at,
        "ServerSideKmsKeyId": found.kms_key,
        "ModelDiagnosticsResultsObject": s3_object(version.diagnostics_bucket, version.diagnostics_key),
        "ImportedDataSizeInBytes": version.imported_bytes,
        "RetrainingAvailableDataInDays": version.available_days,
        "AutoPromotionResult": version.promotion_result,
        "AutoPromotionResultReason": version.promotion_reason,
    }
    described.update(described_training(context, version, source))  # type: ignore[typeddict-item]  # Members of both.
    return described


@operation
def update_active_model_version(
    context: Context, request: UpdateActiveModelVersionRequest
) -> UpdateActiveModelVersionResponse:
    """Make a version the active one: the next inference uses it. Activating the active one changes nothing.

    Raises:
        ResourceNotFoundException: there is no such model, or it has no such version.
        ConflictException: the version is not SUCCESS.
    """
    now = context.now()
    with changing(context, request) as connection:
        found = find_model(context, connection, request["ModelName"])
        version = _find_version(connection, found, request["ModelVersion"])
        if version.status != "SUCCESS":
            raise ConflictException(
                f"Version {version.version} of the model '{found.name}' is {version.status}; "
                "only a version that is SUCCESS can be active."
            )
        if activate(connection, found.id, version.version, now, replacing=True):
            note_promoted(connection, found.id, now, by_hand=True)
        previous = found.previous_active_version if version.version == found.active_version else found.active_version
    arn = model_arn(context, found.name, found.id)
    return {
        "ModelName": found.name,
        "ModelArn": arn,
        "CurrentActiveVersion": version.version,
        "CurrentActiveVersionArn": f"{arn}/model-version/{version.version}",
        "PreviousActiveVersion": previous,
        "PreviousActiveVersionArn": previous and f"{arn}/model-version/{previous}",
    }


def _find_version(connection: Connection, of: Row[Any], number: int) -> Row[Any]:
    """Give the version's row.

    Raises:
        ResourceNotFoundException: the model has no such version.
    """
    found = connection.execute(
        select(model_version).where(
            model_version.c.model_id == of.id, model_version.c.version == min(number, INTEGER_MAX)
        )
    ).one_or_none()
    if found is None:
        raise ResourceNotFoundException(f"The model '{of.name}' has no version {number}.")
    return found


def _summary(model_name: str, arn: str, row: Sequence[Any]) -> ModelVersionSummary:
    _, number, created_at, status, source_type, quality = row
    return ModelVersionSummary(
        ModelName=model_name,
        ModelArn=arn,
        ModelVersion=number,
        ModelVersionArn=f"{arn}/model-version/{number}",
        CreatedAt=seconds_of(created_at),
        Status=status,
        SourceType=source_type,
        ModelQuality=quality,
    )
