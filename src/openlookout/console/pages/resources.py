"""What resources of any kind have: tags, and policies that let another account import them."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from openlookout.api.errors import ResourceNotFoundException
from openlookout.console.visit import Visit, page

# List operation, ARN member, name member, noun.
KINDS = (
    ("ListDatasets", "DatasetArn", "DatasetName", "dataset"),
    ("ListModels", "ModelArn", "ModelName", "model"),
    ("ListInferenceSchedulers", "InferenceSchedulerArn", "InferenceSchedulerName", "scheduler"),
    ("ListLabelGroups", "LabelGroupArn", "LabelGroupName", "label group"),
)
WITH_POLICIES = ("dataset", "model")


@page("/tags", ("GET", "POST"))
def tags(visit: Visit) -> Response:
    """The tags of the resource that the address names, or the question which."""
    arn = visit.query.get("arn", "")
    if visit.is_post:
        with visit.attempt():
            if "remove" in visit.form:
                visit.call("UntagResource", ResourceArn=arn, TagKeys=[visit.form["remove"]])
                return visit.go("/tags", "The tag is removed.", arn=arn)
            tag = {"Key": visit.form.get("key", "").strip(), "Value": visit.form.get("value", "").strip()}
            visit.call("TagResource", ResourceArn=arn, Tags=[tag])
            return visit.go("/tags", f"The tag {tag['Key']} is set.", arn=arn)
    found = visit.call("ListTagsForResource", ResourceArn=arn)["Tags"] if arn else []
    return visit.render("tags.html", arn=arn, tags=found, resources=[] if arn else _resources(visit))


@page("/policies", ("GET", "POST"))
def policies(visit: Visit) -> Response:
    """The policy of the dataset or model that the address names, or the question which."""
    arn = visit.query.get("arn", "")
    policy: Mapping[str, Any] | None = None
    if arn:
        try:
            policy = visit.call("DescribeResourcePolicy", ResourceArn=arn)
        except ResourceNotFoundException:
            policy = None
    if visit.is_post:
        with visit.attempt():
            if "remove" in visit.form:
                visit.call("DeleteResourcePolicy", ResourceArn=arn)
                return visit.go("/policies", "The policy is deleted: no other account may import.", arn=arn)
            visit.call(
                "PutResourcePolicy",
                ResourceArn=arn,
                ResourcePolicy=visit.form.get("policy", ""),
                PolicyRevisionId=visit.form.get("revision") or None,
                ClientToken=visit.client_token,
            )
            return visit.go("/policies", "The policy is set.", arn=arn)
    text = visit.form.get("policy") or _pretty(policy) or _example(arn)
    resources = [] if arn else [one for one in _resources(visit) if one[0] in WITH_POLICIES]
    return visit.render("policies.html", arn=arn, policy=policy, text=text, resources=resources)


def _resources(visit: Visit) -> list[tuple[str, str, str]]:
    """Noun, name and ARN of everything."""
    return [(noun, one[name], one[arn]) for listing, arn, name, noun in KINDS for one in visit.listed(listing)]


def _pretty(policy: Mapping[str, Any] | None) -> str:
    return "" if policy is None else json.dumps(json.loads(policy["ResourcePolicy"]), indent=2)


def _example(arn: str) -> str:
    """What lets another account import, to be changed."""
    action = "ImportDataset" if ":dataset/" in arn else "ImportModelVersion"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::222222222222:root"},
        "Action": f"lookoutequipment:{action}",
        "Resource": arn,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)
