"""A signed request that is sent again within the skew: let in, and what it made is made once."""

import http.client
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from openlookout.api.caller import AccessKey
from openlookout.store.keys import create_key
from operations.rows import NOW, add_dataset, unique
from served import ACCOUNT, REGION, Api, api_alone


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, AccessKey]]:
    with api_alone(f"sqlite:///{tmp_path_factory.mktemp('replay') / 'openlookout.db'}") as api:
        yield api, create_key(api.database, ACCOUNT, None, NOW)


def captured(place: tuple[Api, AccessKey], operation: str, request: dict[str, Any]) -> AWSRequest:
    """A signed request, as somebody on the path would have it."""
    api, key = place
    headers = {
        "X-Amz-Target": f"AWSLookoutEquipmentFrontendService.{operation}",
        "Content-Type": "application/x-amz-json-1.0",
    }
    made = AWSRequest("POST", f"http://127.0.0.1:{api.port}/", headers=headers, data=json.dumps(request).encode())
    SigV4Auth(Credentials(key.id, key.secret), "lookoutequipment", REGION).add_auth(made)
    return made


def sent(api: Api, request: AWSRequest, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=20)
    connection.request("POST", "/", request.data if body is None else body, dict(request.headers.items()))
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content or b"{}")


def test_a_creation_sent_again_makes_nothing_more(place: tuple[Api, AccessKey]) -> None:
    api, _ = place
    requests = {
        "CreateDataset": {"DatasetName": unique("d")},
        "CreateModel": {"ModelName": unique("m"), "DatasetName": add_dataset(api)},
        "CreateLabelGroup": {"LabelGroupName": unique("g")},
    }
    for operation, request in requests.items():
        once = captured(place, operation, {**request, "ClientToken": uuid.uuid4().hex})
        first, again = sent(api, once), sent(api, once)
        assert first == again
        assert first[0] == 200


def test_a_deletion_sent_again_finds_nothing(place: tuple[Api, AccessKey]) -> None:
    api, _ = place
    once = captured(place, "DeleteDataset", {"DatasetName": add_dataset(api)})
    assert sent(api, once)[0] == 200
    assert sent(api, once)[1]["__type"] == "ResourceNotFoundException"


def test_a_request_sent_again_with_another_body_is_refused(place: tuple[Api, AccessKey]) -> None:
    api, _ = place
    once = captured(place, "DeleteDataset", {"DatasetName": "neverthere"})
    other = json.dumps({"DatasetName": add_dataset(api)}).encode()
    status, told = sent(api, once, other)
    assert (status, told["__type"]) == (403, "InvalidSignatureException")
