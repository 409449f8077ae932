"""Label groups and labels: what a label may be, what is listed, and who keeps a group from being deleted."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operations.rows import NOW, add_dataset, add_model, unique
from operations.test_listings import SIZES, rows_of
from served import Api


@pytest.fixture
def group(api: Api) -> str:
    name = unique("g")
    api.client.create_label_group(LabelGroupName=name, FaultCodes=["seal", "bearing"])
    return name


def create(api: Api, group: str, start: int = 0, end: int = 1, rating: str = "ANOMALY", **more: Any) -> str:
    """A label from hour to hour; give its id."""
    times = {"StartTime": NOW + timedelta(hours=start), "EndTime": NOW + timedelta(hours=end)}
    made = api.client.create_label(LabelGroupName=group, Rating=rating, **times, **more)
    return str(made["LabelId"])


def test_a_group_is_described_changed_listed_and_deleted(api: Api, group: str) -> None:
    described = api.client.describe_label_group(LabelGroupName=group)
    assert described["LabelGroupArn"].split(":")[5].startswith(f"label-group/{group}/")
    assert described["FaultCodes"] == ["seal", "bearing"]
    assert described["CreatedAt"] == described["UpdatedAt"]
    api.client.update_label_group(LabelGroupName=group)
    assert api.client.describe_label_group(LabelGroupName=group)["FaultCodes"] == ["seal", "bearing"]
    api.client.update_label_group(LabelGroupName=group, FaultCodes=[])
    assert api.client.describe_label_group(LabelGroupName=group)["FaultCodes"] == []
    listed = api.client.list_label_groups(LabelGroupNameBeginsWith=group)["LabelGroupSummaries"]
    assert [(row["LabelGroupName"], row["LabelGroupArn"]) for row in listed] == [(group, described["LabelGroupArn"])]
    api.client.delete_label_group(LabelGroupName=group)
    with pytest.raises(api.client.exceptions.ResourceNotFoundException, match=f"The label group '{group}' does not"):
        api.client.describe_label_group(LabelGroupName=group)


def test_a_label_is_told_whole(api: Api, group: str) -> None:
    more = {"FaultCode": "seal", "Notes": "leaked", "Equipment": "pump 7"}
    label_id = create(api, group, **more)
    assert len(label_id) == 32
    described = api.client.describe_label(LabelGroupName=group, LabelId=label_id)
    assert {member: described[member] for member in more} == more
    assert (described["StartTime"], described["EndTime"]) == (NOW, NOW + timedelta(hours=1))
    assert described["Rating"] == "ANOMALY"
    assert described["LabelGroupArn"] == api.client.describe_label_group(LabelGroupName=group)["LabelGroupArn"]
    bare = api.client.describe_label(LabelGroupName=group, LabelId=create(api, group, rating="NEUTRAL"))
    assert not {"FaultCode", "Notes", "Equipment"} & set(bare)
    summary = api.client.list_labels(LabelGroupName=group, FaultCode="seal")["LabelSummaries"]
    expected = {member: value for member, value in described.items() if member not in {"Notes", "ResponseMetadata"}}
    assert summary == [expected]


def test_what_is_no_label_is_refused_and_leaves_nothing(api: Api, group: str) -> None:
    with pytest.raises(api.client.exceptions.ValidationException, match="StartTime must not be after EndTime"):
        create(api, group, 2, 1)
    with pytest.raises(
        api.client.exceptions.ValidationException,
        match=f"FaultCode 'leak' is not one of .*'{group}'.*'seal', 'bearing'",
    ):
        create(api, group, FaultCode="leak")
    with pytest.raises(api.client.exceptions.ResourceNotFoundException, match="label group 'nobody'"):
        create(api, "nobody")
    assert api.client.list_labels(LabelGroupName=group)["LabelSummaries"] == []
    with pytest.raises(api.client.exceptions.ValidationException, match="fault code 'a' is given 2 times"):
        api.client.create_label_group(LabelGroupName=unique("g"), FaultCodes=["a", "b", "a"])


def test_a_deleted_label_is_gone_and_an_unknown_one_an_error(api: Api, group: str) -> None:
    label_id = create(api, group)
    api.client.delete_label(LabelGroupName=group, LabelId=label_id)
    for call in (api.client.describe_label, api.client.delete_label):
        with pytest.raises(api.client.exceptions.ResourceNotFoundException, match=f"has no label '{label_id}'"):
            call(LabelGroupName=group, LabelId=label_id)
    assert api.client.list_labels(LabelGroupName="nobody")["LabelSummaries"] == []


def test_a_group_that_a_model_is_trained_with_stays(api: Api, group: str) -> None:
    name = add_model(api, add_dataset(api))
    api.client.update_model(ModelName=name, LabelsInputConfiguration={"LabelGroupName": group})
    with pytest.raises(api.client.exceptions.ConflictException, match=f"'{group}' is used by the model '{name}'"):
        api.client.delete_label_group(LabelGroupName=group)
    api.client.update_model(ModelName=name, LabelsInputConfiguration={})
    api.client.delete_label_group(LabelGroupName=group)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spans=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.sampled_from(["seal", None])), max_size=8),
    sizes=SIZES,
    first=st.integers(-1, 12),
    last=st.integers(-1, 12),
    code=st.sampled_from(["seal", None]),
)
def test_labels_that_touch_the_interval_are_paged_by_start(
    api: Api, spans: list[tuple[int, int, str | None]], sizes: list[int], first: int, last: int, code: str | None
) -> None:
    group = unique("g")
    api.client.create_label_group(LabelGroupName=group, FaultCodes=["seal"])
    for start, length, given_code in spans:
        create(api, group, start, start + length, **({"FaultCode": given_code} if given_code else {}))
    more = {"FaultCode": code} if code else {}
    interval = {"IntervalStartTime": NOW + timedelta(hours=first), "IntervalEndTime": NOW + timedelta(hours=last)}
    listed = rows_of(api, api.client, "list_labels", "LabelSummaries", sizes, LabelGroupName=group, **interval, **more)
    hours = [
        ((row["StartTime"] - NOW) // timedelta(hours=1), (row["EndTime"] - NOW) // timedelta(hours=1)) for row in listed
    ]
    expected = [
        (start, start + length)
        for start, length, given_code in spans
        if start + length >= first and start < last and code in (None, given_code)
    ]
    assert sorted(hours) == sorted(expected)
    assert [start for start, _ in hours] == sorted(start for start, _ in expected)
