"""An endpoint in one of two ways, over HTTP or in process: one call, one answer, nothing validated on this side."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

SIGNING_NAME = "lookoutequipment"
TARGET_PREFIX = "AWSLookoutEquipmentFrontendService."
CONTENT_TYPE = "application/x-amz-json-1.0"
CONFIG = Config(retries={"max_attempts": 1}, parameter_validation=False)


@dataclass(frozen=True)
class Answer:
    """`error`: the exception's name, empty when the request was carried out. `output`: as botocore parses it."""

    status: int
    headers: Mapping[str, str]
    error: str = ""
    message: str = ""
    output: Mapping[str, Any] | None = None
    body: bytes = b""

    def __getitem__(self, member: str) -> Any:
        assert self.output is not None, f"{self.error}: {self.message}"
        return self.output[member]


class Endpoint:
    """`way`: "http" or "in process". `client`: a boto3 client that validates nothing."""

    def __init__(self, way: str, client: Any, url: str = "") -> None:
        self.way, self.client, self.url = way, client, url
        names = client.meta.method_to_api_mapping
        self._methods = {operation: method for method, operation in names.items()}

    def call(self, operation: str, **request: Any) -> Answer:
        """Call an operation as an SDK does."""
        try:
            output = getattr(self.client, self._methods[operation])(**request)
        except ClientError as error:
            return _answer(error.response)
        return _answer(output)

    def done(self, operation: str, **request: Any) -> Answer:
        """Call an operation that must be carried out."""
        answer = self.call(operation, **request)
        assert not answer.error, f"{operation} {request}: {answer.error}: {answer.message}"
        return answer

    def send(self, operation: str, request: Any, **headers: str) -> Answer:
        """Send a request as it stands: over HTTP raw, so that nothing is added; in process by the client."""
        if self.way != "http":
            return self.call(operation, **request)
        body = request if isinstance(request, bytes) else json.dumps(request, default=_seconds).encode()
        return self.raw(body, {"x-amz-target": TARGET_PREFIX + operation, "content-type": CONTENT_TYPE, **headers})

    def raw(self, body: bytes, headers: Mapping[str, str], method: str = "POST", path: str = "/") -> Answer:
        """Send bytes, signed; the connection is used once."""
        parts = urlsplit(self.url)
        region = self.client.meta.region_name
        request = AWSRequest(method, self.url + path, dict(headers), body)
        credentials: Credentials = self.client._request_signer._credentials
        SigV4Auth(credentials.get_frozen_credentials(), SIGNING_NAME, region).add_auth(request)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=30)
        try:
            connection.request(method, path, body, {**dict(request.headers), "Connection": "close"})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        answered = {name.lower(): value for name, value in response.getheaders()}
        output = json.loads(content) if content and "json" in answered.get("content-type", "") else None
        if response.status == 200:
            return Answer(200, answered, output=output, body=content)
        said = output or {}
        kind_of = str(said.get("__type", "")).rpartition("#")[2]
        return Answer(response.status, answered, kind_of or "?", str(said.get("Message", "")), output, content)


def over_http(url: str, credentials: Mapping[str, str] | None = None, region: str | None = None) -> Endpoint:
    """Give the endpoint at a URL; credentials and region are the usual AWS ones, or none that count."""
    session = boto3.Session()
    given = dict(credentials or {})
    if not given and session.get_credentials() is None:
        given = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    region = region or session.region_name or "us-east-1"
    client = boto3.client(SIGNING_NAME, endpoint_url=url, region_name=region, config=CONFIG, **given)
    return Endpoint("http", client, url.rstrip("/"))


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


def _answer(response: Mapping[str, Any]) -> Answer:
    about = response["ResponseMetadata"]
    headers = about["HTTPHeaders"]
    if "Error" in response:
        error = response["Error"]
        return Answer(about["HTTPStatusCode"], headers, error["Code"], error.get("Message", ""))
    output = {name: value for name, value in response.items() if name != "ResponseMetadata"}
    return Answer(about["HTTPStatusCode"], headers, output=output)
