"""Resource policies: who of another account may import a dataset, a model or a version of one.

Only the owner manages them. Of a model's policy and its version's the more restrictive counts, a Deny always, and
without any policy nobody of another account may (guide, "Comparing access to model versions").
"""

from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from openlookout.api.errors import (
    AccessDeniedException,
    ConflictException,
    ResourceNotFoundException,
    ValidationException,
)
from openlookout.api.types import (
    DeleteResourcePolicyRequest,
    DescribeResourcePolicyRequest,
    DescribeResourcePolicyResponse,
    PutResourcePolicyRequest,
    PutResourcePolicyResponse,
)
from openlookout.operations.changes import changing
from openlookout.operations.idempotency import claim
from openlookout.operations.operation import Context, new_hex_id, operation
from openlookout.operations.policy_document import (
    IMPORT_DATASET,
    IMPORT_MODEL_VERSION,
    PolicyError,
    parse_policy,
    verdict,
)
from openlookout.operations.resources import Resource, find_resource, of_resource, own_resource
from openlookout.store.client_tokens import forget_made
from openlookout.store.tables import resource_policy

KINDS = ("dataset", "model", "model-version")


@operation
def put_resource_policy(context: Context, request: PutResourcePolicyRequest) -> PutResourcePolicyResponse:
    """Set the policy of a dataset, model or model version; `PolicyRevisionId`: only if that is the policy now.

    Raises:
        ResourceNotFoundException: the account has no such resource.
        ConflictException: the policy has another revision, or the ClientToken was used with other parameters.
        ValidationException: the policy is none, or holds what the service does not know.
    """
    arn, revision, now = request["ResourceArn"], new_hex_id(), context.now()
    with changing(context, request) as connection:
        found = _own(context, connection, arn)
        made = _made(found.id)
        earlier = claim(context, connection, request, made=made, owner=found.row.id, ends_later=False)
        current = _policy(connection, found.id)
        if earlier is not None and current is not None:
            return {"ResourceArn": arn, "PolicyRevisionId": current.revision}
        try:
            parse_policy(request["ResourcePolicy"], arn)
        except PolicyError as error:
            raise ValidationException(f"ResourcePolicy: {error}.") from None
        _check_revision(request.get("PolicyRevisionId"), current)
        values = {"policy": request["ResourcePolicy"], "revision": revision, "updated_at": now}
        if current is None:
            connection.execute(resource_policy.insert(), {"resource_id": found.id, "created_at": now, **values})
        else:
            connection.execute(
                update(resource_policy).where(resource_policy.c.resource_id == found.id).values(**values)
            )
    return {"ResourceArn": arn, "PolicyRevisionId": revision}


@operation
def describe_resource_policy(
    context: Context, request: DescribeResourcePolicyRequest
) -> DescribeResourcePolicyResponse:
    """Describe a resource's policy.

    Raises:
        ResourceNotFoundException: the account has no such resource, or it has no policy.
    """
    with context.database.reading() as connection:
        found = _existing(context, connection, request["ResourceArn"])
    return {
        "PolicyRevisionId": found.revision,
        "ResourcePolicy": found.policy,
        "CreationTime": found.created_at,
        "LastModifiedTime": found.updated_at,
    }


@operation
def delete_resource_policy(context: Context, request: DeleteResourcePolicyRequest) -> None:
    """Delete a resource's policy: nobody of another account may import it from then on.

    Raises:
        ResourceNotFoundException: the account has no such resource, or it has no policy.
    """
    with changing(context, request) as connection:
        found = _existing(context, connection, request["ResourceArn"])
        forget_made(connection, _made(found.resource_id))
        connection.execute(delete(resource_policy).where(resource_policy.c.resource_id == found.resource_id))


def importable(
    context: Context, connection: Connection, arn: str, kind: str, *, is_importing_data: bool = False
) -> Resource:
    """Give the dataset or model version that the caller wants to import, if it may.

    Raises:
        ResourceNotFoundException: the ARN is of the caller's account, and there is no such resource.
        AccessDeniedException: it is of another account that does not allow it, or a policy of one's own denies it;
            also when there is no such resource there, so that nobody learns what others have.
    """
    action = IMPORT_DATASET if kind == "dataset" else IMPORT_MODEL_VERSION
    found = find_resource(connection, arn)
    # Asked for also where there is no such resource: how long an answer takes must not tell what others have.
    policies = _policies(connection, found)
    if found is not None and found.kind == kind and found.row.region == context.region:
        verdicts = [
            verdict(policy, context.account, action, is_importing_data=is_importing_data) for policy in policies
        ]
        is_own = found.account == context.account
        if "deny" not in verdicts and (is_own or (verdicts and all(each == "allow" for each in verdicts))):
            return found
    elif arn.split(":")[4] == context.account:
        raise ResourceNotFoundException(f"The resource '{arn}' does not exist.")
    raise AccessDeniedException(
        f"User: arn:aws:iam::{context.account}:root is not authorized to perform: {action} on resource: {arn}"
    )


def forget_policies(connection: Connection, resource_id: str) -> None:
    """Delete the policy of a resource that is deleted, and those of a model's versions."""
    connection.execute(delete(resource_policy).where(of_resource(resource_policy.c.resource_id, resource_id)))


def _policies(connection: Connection, found: Resource | None) -> list[str]:
    """The policies that count for a resource: of a version the model's too."""
    ids = ["", ""] if found is None else [found.id, found.row.id]
    statement = select(resource_policy.c.policy).where(resource_policy.c.resource_id.in_(ids))
    return list(connection.execute(statement).scalars())


def _own(context: Context, connection: Connection, arn: str) -> Resource:
    found = own_resource(context, connection, arn)
    if found.kind not in KINDS:
        raise ValidationException(f"A {found.kind} has no resource policy; {', '.join(KINDS)} have one.")
    return found


def _existing(context: Context, connection: Connection, arn: str) -> Row[Any]:
    policy = _policy(connection, _own(context, connection, arn).id)
    if policy is None:
        raise ResourceNotFoundException(f"The resource '{arn}' has no policy.")
    return policy


def _policy(connection: Connection, resource_id: str) -> Row[Any] | None:
    return connection.execute(select(resource_policy).where(resource_policy.c.resource_id == resource_id)).one_or_none()


def _check_revision(given: str | None, current: Row[Any] | None) -> None:
    if given is None or (current is not None and given.lower() == current.revision):
        return
    has = "no policy" if current is None else f"the revision {current.revision}"
    raise ConflictException(f"The PolicyRevisionId {given} is not the current one: the resource has {has}.")


def _made(resource_id: str) -> str:
    return f"policy/{resource_id}"
