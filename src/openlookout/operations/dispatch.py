"""Every operation in one place: what a request of any name is carried out by."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.exc import IntegrityError

from openlookout.api.caller import Caller
from openlookout.api.errors import AccessDeniedException, ConflictException
from openlookout.operations import (
    datasets,
    imports,
    inference_results,
    inference_schedulers,
    ingestion,
    labels,
    model_versions,
    models,
    resource_policies,
    retraining_schedulers,
    tags,
)
from openlookout.operations.operation import OPERATIONS, Context, Ports

# Importing a module registers its operations.
ROOMS = (
    datasets,
    ingestion,
    labels,
    models,
    model_versions,
    inference_schedulers,
    inference_results,
    retraining_schedulers,
    tags,
    resource_policies,
    imports,
)

# What an operation's name begins with that changes nothing.
LOOKING = ("List", "Describe")


def dispatcher(ports: Ports) -> Callable[[str, Caller, Mapping[str, Any]], Mapping[str, Any] | None]:
    """Give the function that carries out a validated request of any operation.

    Raises what the operation raises; AccessDeniedException when it changes something and the caller may only look, or
    names a bucket that is not the caller's;
    ConflictException when another request was faster between its look and its change.
    """

    def dispatch(name: str, caller: Caller, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if caller.is_read_only and not name.startswith(LOOKING):
            raise AccessDeniedException(
                f"The access key '{caller.principal}' is read-only and may not perform lookoutequipment:{name}."
            )
        if ports.bucket_owners is not None:
            ports.bucket_owners.check(caller.account, request)
        context = Context(name, caller.account, caller.region, caller.request_id, ports, caller.principal)
        try:
            response: Mapping[str, Any] | None = OPERATIONS[name](context, request)
        except IntegrityError:
            raise ConflictException(
                "Another request changed the same resource at the same moment; nothing was done, send it again."
            ) from None
        return response

    return dispatch
