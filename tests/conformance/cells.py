"""The cells that exist, operation x aspect, and those that no client can reach, each with its reason."""

from conformance.definition import LISTS, OPERATIONS, WITH_TOKEN, boundaries, operation_errors

NO_CLIENT_CAN = "no request of a client leads to it"
GRANTS_NOTHING = "permissions are not modelled but for imports from another account"
NO_QUOTA = "no documented quota counts what the operation makes"
NOTHING_CONFLICTS = "no documented state stands against it"

# (operation, exception) -> why it is not provoked.
UNREACHABLE = {
    **{
        (operation, error): NO_CLIENT_CAN
        for operation in OPERATIONS
        for error in ("ThrottlingException", "InternalServerException")
    },
    **{
        (operation, "AccessDeniedException"): GRANTS_NOTHING
        for operation in OPERATIONS
        if operation not in {"ImportDataset", "ImportModelVersion"}
    },
    ("CreateInferenceScheduler", "ServiceQuotaExceededException"): "the quota is one a model: ConflictException",
    ("PutResourcePolicy", "ServiceQuotaExceededException"): NO_QUOTA,
    **{
        (operation, "ConflictException"): NOTHING_CONFLICTS
        for operation in (
            "DeleteLabel",
            "DeleteResourcePolicy",
            "StopInferenceScheduler",
            "StopRetrainingScheduler",
            "UpdateLabelGroup",
            "UpdateModel",
        )
    },
    ("ListModelVersions", "ResourceNotFoundException"): "the API reference: an unknown model has an empty list",
}


def cells() -> set[tuple[str, str]]:
    """Every cell that a client can reach."""
    found = {(operation, "success") for operation in OPERATIONS}
    found |= {
        (operation, error)
        for operation in OPERATIONS
        for error in operation_errors(operation)
        if (operation, error) not in UNREACHABLE
    }
    found |= {(boundary.operation, boundary.aspect) for boundary in boundaries()}
    found |= {(operation, "paging") for operation in LISTS}
    found |= {(operation, "idempotency") for operation in WITH_TOKEN}
    return found


def unreachable() -> dict[tuple[str, str], str]:
    """The exceptions that operations list and no client can provoke."""
    return {
        (operation, error): UNREACHABLE[operation, error]
        for operation in OPERATIONS
        for error in operation_errors(operation)
        if (operation, error) in UNREACHABLE
    }
