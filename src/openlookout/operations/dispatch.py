"""Every operation in one place: what a request of any name is carried out by."""

from collections.abc import Callable, Mapping
from typing import Any

from openlookout.api.caller import Caller
from openlookout.api.errors import ValidationException
from openlookout.operations import datasets, inference_results, inference_schedulers, ingestion, model_versions, models
from openlookout.operations.operation import OPERATIONS, Context, Ports

# Importing a module registers its operations.
ROOMS = (datasets, ingestion, models, model_versions, inference_schedulers, inference_results)


def dispatcher(ports: Ports) -> Callable[[str, Caller, Mapping[str, Any]], Mapping[str, Any] | None]:
    """Give the function that carries out a validated request of any operation.

    Raises what the operation raises; ValidationException for an operation that is not built yet.
    """

    def dispatch(name: str, caller: Caller, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
        function = OPERATIONS.get(name)
        if function is None:
            raise ValidationException(f"The operation {name} is not built yet in this release of OpenLookout.")
        context = Context(name, caller.account, caller.region, caller.request_id, ports)
        response: Mapping[str, Any] | None = function(context, request)
        return response

    return dispatch
