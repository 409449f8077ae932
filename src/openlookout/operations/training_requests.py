"""What a model can be trained with: the checks of a request before anything is written."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from openlookout.api.errors import ValidationException
from openlookout.api.types import CreateModelRequest
from openlookout.operations.labels import find_label_group
from openlookout.operations.operation import Context, check_quota
from openlookout.timeseries.off_condition import OffConditionError, parse_off_condition
from openlookout.timeseries.schema import Component, SchemaError, parse_schema, subset


def check_ranges(request: Mapping[str, Any]) -> None:
    """Raises ValidationException: a range is half given or ends before it starts, or evaluation is before training."""
    for kind in ("Training", "Evaluation"):
        start, end = _times(request, kind)
        if start is not None and end is not None and start >= end:
            raise ValidationException(
                f"{kind}DataStartTime {_text(start)} must be before {kind}DataEndTime {_text(end)}."
            )
    evaluation_start, evaluation_end = _times(request, "Evaluation")
    if (evaluation_start is None) != (evaluation_end is None):
        missing = "EvaluationDataStartTime" if evaluation_start is None else "EvaluationDataEndTime"
        raise ValidationException(f"An evaluation range needs both ends: {missing} is missing.")
    training_start, training_end = _times(request, "Training")
    last = training_end or training_start
    if evaluation_start is not None and last is not None and evaluation_start < last:
        raise ValidationException(
            f"EvaluationDataStartTime {_text(evaluation_start)} must not be before the training range's {_text(last)}."
        )


def check_labels(request: Mapping[str, Any], role: str | None) -> None:
    """Raises ValidationException: labels come from S3 without a role, or from two places."""
    labels = request.get("LabelsInputConfiguration", {})
    if "S3InputConfiguration" in labels and "LabelGroupName" in labels:
        raise ValidationException("LabelsInputConfiguration takes S3InputConfiguration or LabelGroupName, not both.")
    if "S3InputConfiguration" in labels and role is None:
        raise ValidationException("LabelsInputConfiguration.S3InputConfiguration needs a RoleArn.")


def label_group_id(context: Context, connection: Connection, request: Mapping[str, Any]) -> str | None:
    """Give the id of the label group that labels come from, if they come from one.

    Raises:
        ResourceNotFoundException: there is no such group.
    """
    name = request.get("LabelsInputConfiguration", {}).get("LabelGroupName")
    return None if name is None else str(find_label_group(context, connection, name).id)


def check_diagnostics_output(request: Mapping[str, Any], role: str | None) -> None:
    """Raises ValidationException: diagnostics are to be written without a role."""
    if "ModelDiagnosticsOutputConfiguration" in request and role is None:
        raise ValidationException("ModelDiagnosticsOutputConfiguration needs a RoleArn.")


def check_off_condition(condition: str | None, schema: tuple[Component, ...]) -> None:
    """Raises ValidationException: the off-condition cannot be read, or its sensor is not one of the model's."""
    try:
        if condition is not None:
            parse_off_condition(condition, schema)
    except OffConditionError as error:
        raise ValidationException(f"OffCondition: {error}") from None


def trained_schema(request: CreateModelRequest, dataset_schema: str) -> tuple[Component, ...]:
    """Give the components and sensors of the dataset that the request asks for; all, when it names none.

    Raises:
        ValidationException: the schema is none, or names what the dataset lacks.
    """
    inline = request.get("DatasetSchema", {}).get("InlineDataSchema")
    whole = parse_schema(dataset_schema)
    try:
        return whole if inline is None else subset(whole, parse_schema(inline))
    except SchemaError as error:
        raise ValidationException(f"DatasetSchema: {error}") from None


def check_training_quotas(context: Context, schema: tuple[Component, ...]) -> None:
    """Raises ServiceQuotaExceededException: a model would be trained on more than it may."""
    check_quota("components in the training", len(schema), context.limits.training_components)
    n_sensors = sum(len(component.full_names) for component in schema)
    check_quota("sensors in the training", n_sensors, context.limits.training_columns)


def _times(request: Mapping[str, Any], kind: str) -> tuple[datetime | None, datetime | None]:
    return request.get(f"{kind}DataStartTime"), request.get(f"{kind}DataEndTime")


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
