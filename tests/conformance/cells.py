"""What there is to exercise: operation x aspect, from the service's model; what no client can provoke; what diverges."""

from conformance.requests_of_model import model, operations

# Answers of a service under load or broken, and of identities that a service without IAM does not have.
_NEVER = {"ThrottlingException", "InternalServerException"}
_IMPORTS = {"ImportDataset", "ImportModelVersion"}
# Quotas that a client meets within a few calls; the others have tests of their own inside the project.
_QUOTAS = {
    "CreateDataset",
    "CreateInferenceScheduler",
    "CreateLabel",
    "CreateLabelGroup",
    "CreateModel",
    "ImportDataset",
    "ImportModelVersion",
    "TagResource",
}
# Conflicts that the model lists and nobody has ever described.
_NO_CONFLICT = {"DeleteLabel", "DeleteResourcePolicy", "UpdateLabelGroup", "UpdateModel"}
# Conflicts that last for a moment only, and resources that are found without being named.
_FLEETING = {
    ("UpdateInferenceScheduler", "ConflictException"),
    ("StartInferenceScheduler", "ConflictException"),
    ("StopInferenceScheduler", "ConflictException"),
    ("UpdateRetrainingScheduler", "ConflictException"),
    ("StartRetrainingScheduler", "ConflictException"),
    ("StopRetrainingScheduler", "ConflictException"),
    ("ListModelVersions", "ResourceNotFoundException"),
}


def _is_provoked(operation: str, error: str) -> bool:
    if error in _NEVER or (operation, error) in _FLEETING:
        return False
    if error == "AccessDeniedException":
        return operation in _IMPORTS
    if error == "ServiceQuotaExceededException":
        return operation in _QUOTAS
    return not (error == "ConflictException" and operation in _NO_CONFLICT)


ERRORS = [(name, error.name) for name in operations() for error in model().operation_model(name).error_shapes]
PAGED = [name for name in operations() if "NextToken" in model().operation_model(name).input_shape.members]
WITH_TOKEN = [name for name in operations() if "ClientToken" in model().operation_model(name).input_shape.members]
PROVOKED = [each for each in ERRORS if _is_provoked(*each)]
NOT_PROVOKED = [each for each in ERRORS if not _is_provoked(*each)]
CELLS = {
    *((name, aspect) for name in operations() for aspect in ("success", "boundaries")),
    *PROVOKED,
    *((name, "paging") for name in PAGED),
    *((name, "idempotency") for name in WITH_TOKEN),
}
# Goldens that we answer otherwise, each with the reason; a test fails when one is not seen any more.
DIVERGENCES = {
    "times in decimal, not scientific notation": "1652432588.123 for 1.652432588123E9: as valid, and readable",
}
