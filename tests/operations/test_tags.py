"""Tags: on every resource that has an ARN, as many as the quota, gone with the resource."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from openlookout.store.tables import dataset, tag
from operations.rows import add_dataset, add_model, scheduler_request, unique
from served import Api

MADE: dict[str, Callable[[Api], str]] = {
    "dataset": lambda api: str(
        api.client.create_dataset(DatasetName=unique("d"), Tags=[{"Key": "site", "Value": "A"}])["DatasetArn"]
    ),
    "label-group": lambda api: str(
        api.client.create_label_group(LabelGroupName=unique("g"), Tags=[{"Key": "site", "Value": "A"}])["LabelGroupArn"]
    ),
    "model": lambda api: str(
        api.client.create_model(
            ModelName=unique("m"), DatasetName=add_dataset(api), Tags=[{"Key": "site", "Value": "A"}]
        )["ModelArn"]
    ),
    "inference-scheduler": lambda api: str(
        api.client.create_inference_scheduler(
            **scheduler_request(add_model(api, add_dataset(api)), unique("s"), Tags=[{"Key": "site", "Value": "A"}])
        )["InferenceSchedulerArn"]
    ),
}


def tags_of(api: Api, arn: str) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in api.client.list_tags_for_resource(ResourceArn=arn)["Tags"]}


@pytest.mark.parametrize("kind", MADE)
def test_a_resource_has_the_tags_that_it_was_made_with_and_got(api: Api, kind: str) -> None:
    arn = MADE[kind](api)
    assert tags_of(api, arn) == {"site": "A"}
    api.client.tag_resource(ResourceArn=arn, Tags=[{"Key": "site", "Value": "B"}, {"Key": "Site", "Value": ""}])
    assert tags_of(api, arn) == {"Site": "", "site": "B"}
    api.client.untag_resource(ResourceArn=arn, TagKeys=["site", "neverthere"])
    assert tags_of(api, arn) == {"Site": ""}


def test_a_model_version_has_tags_of_its_own_that_end_with_the_model(api: Api) -> None:
    name = add_model(api, add_dataset(api))
    arn = api.client.describe_model_version(ModelName=name, ModelVersion=1)["ModelVersionArn"]
    api.client.tag_resource(ResourceArn=arn, Tags=[{"Key": "reviewed", "Value": "yes"}])
    assert tags_of(api, arn) == {"reviewed": "yes"}
    assert tags_of(api, arn.rpartition("/model-version/")[0]) == {}
    api.client.delete_model(ModelName=name)
    with api.database.reading() as connection:
        left = select(func.count()).select_from(tag).where(tag.c.resource_id.startswith(arn.split("/")[2]))
        assert connection.execute(left).scalar() == 0


def changed(arn: str, **parts: Any) -> str:
    pieces = arn.split(":")
    pieces[3], pieces[4] = parts.get("region", pieces[3]), parts.get("account", pieces[4])
    return ":".join(pieces) + str(parts.get("more", ""))


def test_what_is_not_ones_own_does_not_exist(api: Api) -> None:
    arn = MADE["dataset"](api)
    other = changed(add_elsewhere(api), account="210987654321")
    for wrong in (
        changed(arn, region="eu-west-1"),
        changed(arn, account="210987654321"),
        changed(arn, more="x"),
        changed(arn, more="/model-version/1"),
        f"{MADE['model'](api)}/model-version/2",
        f"{MADE['model'](api)}/model-version/99999999999999999999",
        "arn:aws:s3:::bucket",
        other,
    ):
        for call in (
            lambda arn: api.client.list_tags_for_resource(ResourceArn=arn),
            lambda arn: api.client.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}]),
            lambda arn: api.client.untag_resource(ResourceArn=arn, TagKeys=["a"]),
        ):
            with pytest.raises(api.client.exceptions.ResourceNotFoundException, match="does not exist"):
                call(wrong)


def add_elsewhere(api: Api) -> str:
    """A dataset of another account; give its ARN as that account sees it."""
    name = add_dataset(api, account="210987654321")
    with api.database.reading() as connection:
        identity = connection.execute(select(dataset.c.id).where(dataset.c.name == name)).scalar_one()
    return f"arn:aws:lookoutequipment:us-east-1:210987654321:dataset/{name}/{identity}"


def test_tags_are_counted_and_keys_given_once(api: Api) -> None:
    arn = MADE["dataset"](api)
    many = [{"Key": f"k{i}", "Value": "v"} for i in range(199)]
    api.client.tag_resource(ResourceArn=arn, Tags=many)
    assert len(tags_of(api, arn)) == 200
    with pytest.raises(
        api.client.exceptions.ServiceQuotaExceededException, match="201 tags on the resource; 200 is the quota"
    ):
        api.client.tag_resource(ResourceArn=arn, Tags=[{"Key": "onemore", "Value": "v"}])
    assert len(tags_of(api, arn)) == 200
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    with pytest.raises(api.client.exceptions.ValidationException, match="tag key 'a' is given more than once"):
        api.client.tag_resource(ResourceArn=arn, Tags=twice)
    name = unique("d")
    with pytest.raises(api.client.exceptions.ValidationException, match="tag key 'a' is given more than once"):
        api.client.create_dataset(DatasetName=name, Tags=twice)
    assert api.client.list_datasets(DatasetNameBeginsWith=name)["DatasetSummaries"] == []
