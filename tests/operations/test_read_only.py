"""A read-only access key looks at everything of its account and changes nothing, whatever the operation."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openlookout.store.keys import create_key
from served import Api, api_alone
from wire.requests_of import OPERATIONS, input_shape, valid

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, Any, Any]]:
    """The API, a client with a full key and one with a read-only key of the same account."""
    with api_alone(f"sqlite:///{tmp_path_factory.mktemp('guarded') / 'openlookout.db'}") as api:
        full = create_key(api.database, "111111111111", "full", NOW)
        looking = create_key(api.database, "111111111111", "looking", NOW, is_read_only=True)
        clients = [api.connect(key=key.id, secret=key.secret) for key in (full, looking)]
        yield api, clients[0], clients[1]


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_changes_something_is_denied_and_what_looks_is_not(
    guarded: tuple[Api, Any, Any], operation: str, data: st.DataObject
) -> None:
    _, _, looking = guarded
    method = next(name for name, api in looking.meta.method_to_api_mapping.items() if api == operation)
    try:
        getattr(looking, method)(**data.draw(valid(input_shape(operation))))
        code = None
    except ClientError as error:
        code = error.response["Error"]["Code"]
    is_look = operation.startswith(("List", "Describe"))
    assert (code != "AccessDeniedException") if is_look else (code == "AccessDeniedException")


def test_it_sees_what_a_full_key_made_and_is_told_why_it_may_not_change_it(guarded: tuple[Api, Any, Any]) -> None:
    _, full, looking = guarded
    full.create_dataset(DatasetName="made")
    assert [one["DatasetName"] for one in looking.list_datasets()["DatasetSummaries"]] == ["made"]
    with pytest.raises(
        looking.exceptions.AccessDeniedException,
        match="is read-only and may not perform lookoutequipment:DeleteDataset",
    ):
        looking.delete_dataset(DatasetName="made")
    assert full.describe_dataset(DatasetName="made")["DatasetName"] == "made"
