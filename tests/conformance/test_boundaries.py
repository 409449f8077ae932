"""Every constraint of every operation, from both sides of its edge; judged by the model that boto3 has."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.requests_of_model import edges, operations
from conformance.world import Target

# The API reference's own note on ListModelVersions: without a name the list is empty; the model says it is required.
DOCUMENTED_OTHERWISE = {("ListModelVersions", "ModelName", "required")}


def outcome(target: Target, operation: str, request: dict[str, Any]) -> tuple[str, str]:
    """The code and message of the answer; "ok" when it is none."""
    try:
        target.call(operation, **request)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return "ok", ""


@pytest.mark.parametrize("operation", operations())
def test_both_sides_of_every_constraint(target: Target, cell: Any, operation: str) -> None:
    for edge in edges(operation):
        code, message = outcome(target, operation, edge.request)
        member = ".".join(_as_told(edge.path))
        named = code == "ValidationException" and f"at '{member}'" in message
        if (operation, edge.path, edge.constraint) in DOCUMENTED_OTHERWISE:
            assert code == "ok", edge
        elif edge.is_allowed:
            assert not named, f"{edge}: {message}"
            assert code not in {"InternalServerException", "SerializationException", "500"}, f"{edge}: {code} {message}"
        else:
            assert named, f"{edge}: {code} {message}"
    cell(operation, "boundaries")


def _as_told(path: str) -> list[str]:
    """A member's path as AWS's services tell it: lower case first, list positions from one and followed by `member`."""
    told = []
    for part in path.split("."):
        told += [str(int(part) + 1), "member"] if part.isdigit() else [part[0].lower() + part[1:]]
    return told
