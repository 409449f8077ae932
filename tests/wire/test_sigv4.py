"""Signatures: what botocore signs is let in; nothing that was changed since is."""

import http.client
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from hypothesis import assume, given
from hypothesis import strategies as st

from openlookout.api.caller import AccessKey
from openlookout.api.errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    UnrecognizedClientException,
)
from openlookout.api.service_error import ServiceError
from openlookout.wire import sigv4
from served import boto_client
from wire.conftest import KEY, FixedKeys, Serve, Served

KEYS = FixedKeys((KEY,))
TARGET = "AWSLookoutEquipmentFrontendService.ListModels"
FORGED = "0" * 64


def signed(
    body: bytes = b'{"MaxResults": 5}',
    *,
    query: str = "",
    region: str = "eu-west-1",
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    service: str = "lookoutequipment",
    key: AccessKey = KEY,
    port: int = 8580,
) -> sigv4.Request:
    """A request as it arrives when botocore signed it now."""
    sent = AWSRequest(
        "POST",
        f"http://127.0.0.1:{port}/{query and '?' + query}",
        headers={"X-Amz-Target": TARGET, "Content-Type": "application/x-amz-json-1.0", **(headers or {})},
        data=body,
    )
    SigV4Auth(Credentials(key.id, key.secret, token), service, region).add_auth(sent)
    arrived = {name.lower(): value for name, value in sent.headers.items()}
    return sigv4.Request("POST", "/", query, {"host": f"127.0.0.1:{port}", **arrived}, body)


def now() -> datetime:
    return datetime.now(UTC)


def with_header(request: sigv4.Request, name: str, value: str | None) -> sigv4.Request:
    """The request with a header changed, or without it."""
    headers = {other: given_ for other, given_ in request.headers.items() if other != name}
    return replace(request, headers=headers if value is None else {**headers, name: value})


def with_authorization(request: sigv4.Request, old: str, new: str) -> sigv4.Request:
    """The request with a part of its Authorization header changed."""
    authorization = request.headers["authorization"]
    assert old in authorization
    return with_header(request, "authorization", authorization.replace(old, new, 1))


@given(
    body=st.binary(max_size=200),
    region=st.from_regex(r"[a-z]{2}-[a-z]{4,9}-[0-9]", fullmatch=True),
    token=st.none() | st.from_regex(r"[A-Za-z0-9+/=]{1,40}", fullmatch=True),
    spaced=st.from_regex(r"[a-z ]{0,20}", fullmatch=True),
)
def test_what_botocore_signs_is_let_in_for_the_region_that_it_names(
    body: bytes, region: str, token: str | None, spaced: str
) -> None:
    request = signed(body, region=region, token=token, headers={"X-Amz-Meta": spaced})
    assert sigv4.verify(request, KEYS, now()) == (KEY, region)


@pytest.mark.parametrize("query", ["a=1&b=2", "b=2&a=1", "a=%2F%20x", "a=&b", "Action=x&A=1&a=0"])
def test_a_query_is_part_of_what_is_signed(query: str) -> None:
    ordered = "&".join(part if "=" in part else part + "=" for part in query.split("&"))
    request = signed(query=ordered)
    assert sigv4.verify(request, KEYS, now())
    assert sigv4.verify(replace(request, query=query), KEYS, now())
    with pytest.raises(InvalidSignatureException):
        sigv4.verify(replace(request, query=query + "&c="), KEYS, now())


@given(data=st.data())
def test_a_change_of_any_one_byte_of_what_is_signed_is_refused(data: st.DataObject) -> None:
    request = signed(query="a=1", token="session", headers={"X-Amz-Meta": "one two"})
    part = data.draw(st.sampled_from(["method", "raw_path", "query", "body", "headers", "authorization"]))
    if part == "body":
        at = data.draw(st.integers(0, len(request.body) - 1))
        byte = data.draw(st.integers(0, 255))
        changed = replace(request, body=request.body[:at] + bytes([byte]) + request.body[at + 1 :])
    else:
        names = sorted(set(request.headers) - {"authorization", "content-length"})
        name = {"headers": data.draw(st.sampled_from(names)), "authorization": "authorization"}.get(part, "")
        text = request.headers[name] if name else getattr(request, part)
        at = data.draw(st.integers(0, len(text) - 1))
        other = text[:at] + chr(data.draw(st.integers(0x20, 0xFF))) + text[at + 1 :]
        # How many spaces a header has in a place, and white space between the parts of Authorization, is not signed.
        assume(not name or [*filter(None, other.split(" "))] != [*filter(None, text.split(" "))])
        assume(name != "authorization" or "".join(other.split()) != "".join(text.split()))
        changed = with_header(request, name, other) if name else replace(request, **{part: other})
    assume(changed != request)
    with pytest.raises(ServiceError) as refused:
        sigv4.verify(changed, KEYS, now())
    assert refused.value.http_status in {400, 403}


def test_a_byte_more_or_less_in_the_body_is_refused() -> None:
    request = signed()
    for body in (request.body + b" ", request.body[:-1], b""):
        with pytest.raises(InvalidSignatureException, match="does not match"):
            sigv4.verify(replace(request, body=body), KEYS, now())


@pytest.mark.parametrize("seconds", [-299, 0, 299])
def test_a_clock_less_than_five_minutes_off_is_let_in(seconds: int) -> None:
    assert sigv4.verify(signed(), KEYS, now() + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("seconds", "told"), [(302, "Signature expired: .* is now earlier than"), (-302, "not yet current: .* later than")]
)
def test_a_clock_more_than_five_minutes_off_is_refused_with_both_times(seconds: int, told: str) -> None:
    with pytest.raises(InvalidSignatureException, match=told) as refused:
        sigv4.verify(signed(), KEYS, now() + timedelta(seconds=seconds))
    assert refused.value.message.count("Z") >= 3


@pytest.mark.parametrize("name", ["host", "x-amz-date", "x-amz-target", "x-amz-security-token", "content-type"])
def test_a_signed_header_that_is_missing_is_named(name: str) -> None:
    request = with_header(signed(token="session"), name, None)
    with pytest.raises(IncompleteSignatureException, match=f"'{name}'"):
        sigv4.verify(request, KEYS, now())


@pytest.mark.parametrize("name", ["x-amz-security-token", "x-amz-content-sha256", "x-amz-anything"])
def test_an_amz_header_that_is_there_and_not_signed_is_refused(name: str) -> None:
    request = with_header(signed(), name, "UNSIGNED-PAYLOAD")
    with pytest.raises(IncompleteSignatureException, match=f"'{name}'"):
        sigv4.verify(request, KEYS, now())


def test_a_target_that_is_not_signed_is_refused() -> None:
    request = with_header(signed(), "x-amz-target", None)
    unsigned = with_authorization(request, ";x-amz-target", "")
    with pytest.raises(IncompleteSignatureException, match="'x-amz-target'"):
        sigv4.verify(with_header(unsigned, "x-amz-target", TARGET), KEYS, now())


def test_a_body_that_is_not_signed_is_refused_also_when_its_sender_says_so() -> None:
    request = signed(headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    for body in (request.body, b"other"):
        with pytest.raises(IncompleteSignatureException, match="The body must be signed"):
            sigv4.verify(replace(request, body=body), KEYS, now())


@pytest.mark.parametrize(
    ("authorization", "error"),
    [
        (None, MissingAuthenticationTokenException),
        ("", IncompleteSignatureException),
        ("Basic dXNlcjpwYXNz", IncompleteSignatureException),
        ("AWS4-HMAC-SHA256", IncompleteSignatureException),
        (f"AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature={FORGED}", IncompleteSignatureException),
        ("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=é", IncompleteSignatureException),
        ("A" * 60_000, IncompleteSignatureException),
    ],
)
def test_an_authorization_that_cannot_be_read_is_refused(authorization: str | None, error: type[ServiceError]) -> None:
    with pytest.raises(error):
        sigv4.verify(with_header(signed(), "authorization", authorization), KEYS, now())


def test_a_signature_for_another_service_region_form_or_date_is_refused() -> None:
    with pytest.raises(IncompleteSignatureException, match="KEY/DATE/REGION/lookoutequipment/aws4_request"):
        sigv4.verify(signed(service="s3"), KEYS, now())
    for region in ("../eu", "eu_west", "EU-WEST-1", "e" * 64, "-"):
        with pytest.raises(IncompleteSignatureException, match="Credential must be"):
            sigv4.verify(signed(region=region), KEYS, now())
    date = f"{now():%Y%m%d}"
    with pytest.raises(InvalidSignatureException, match="is not that of X-Amz-Date"):
        sigv4.verify(with_authorization(signed(), f"/{date}/", "/20010101/"), KEYS, now())


def test_an_unknown_key_and_a_wrong_secret_are_told_apart() -> None:
    with pytest.raises(UnrecognizedClientException, match="'OLKAOTHER'"):
        sigv4.verify(signed(key=replace(KEY, id="OLKAOTHER")), KEYS, now())
    with pytest.raises(InvalidSignatureException):
        sigv4.verify(signed(key=replace(KEY, secret="guess")), KEYS, now())


@given(
    st.text(max_size=200)
    | st.from_regex(r"AWS4-HMAC-SHA256 Credential=(a/){4}.{0,9}, SignedHeaders=h, Signature=0{64}")
)
def test_no_authorization_raises_anything_but_a_service_error_or_names_a_wild_region(authorization: str) -> None:
    region = sigv4.region_of(authorization)
    assert region is None or sigv4.REGION.fullmatch(region)
    with pytest.raises(ServiceError):
        sigv4.verify(with_header(signed(), "authorization", authorization), KEYS, now())


def test_boto3_is_let_in_with_a_key_and_acts_in_its_account_and_region(locked_server: Served) -> None:
    client = boto_client(locked_server.port, region="ap-northeast-2", key=KEY.id, secret=KEY.secret)
    client.list_models()
    _, caller, _ = locked_server.calls[-1]
    assert (caller.account, caller.region, caller.principal) == (KEY.account, "ap-northeast-2", KEY.id)


def test_boto3_with_a_session_token_is_let_in(locked_server: Served) -> None:
    boto_client(locked_server.port, key=KEY.id, secret=KEY.secret, aws_session_token="any").list_models()


@pytest.mark.parametrize(
    ("key", "secret", "code", "status"),
    [
        (KEY.id, "wrong", "InvalidSignatureException", 403),
        ("OLKAWRONG", KEY.secret, "UnrecognizedClientException", 403),
    ],
)
def test_boto3_with_a_wrong_key_is_refused_before_anything_is_done(
    locked_server: Served, key: str, secret: str, code: str, status: int
) -> None:
    before = len(locked_server.calls)
    with pytest.raises(ClientError) as refused:
        boto_client(locked_server.port, key=key, secret=secret).list_models(MaxResults=10_000)
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert len(locked_server.calls) == before


@pytest.mark.parametrize(("name", "refusal"), [("X-Amz-Target", 403), ("Content-Type", 403), ("X-Amz-Date", 400)])
def test_a_signed_header_that_is_sent_a_second_time_is_refused(locked_server: Served, name: str, refusal: int) -> None:
    body = b"{}"
    request = signed(body, port=locked_server.port)
    for more, status in ((0, 200), (1, refusal)):
        connection = http.client.HTTPConnection("127.0.0.1", locked_server.port, timeout=20)
        connection.putrequest("POST", "/", skip_host=True)
        for header, value in request.headers.items() - {("content-length", "2")}:
            connection.putheader(header, value)
        connection.putheader("Content-Length", str(len(body)))
        for _ in range(more):
            connection.putheader(name, request.headers[name.lower()])
        connection.endheaders(body)
        assert connection.getresponse().status == status
        connection.close()


def test_without_keys_any_signature_is_let_in_for_its_region(open_server: Served) -> None:
    boto_client(open_server.port, region="eu-west-1").list_models()
    _, caller, _ = open_server.calls[-1]
    assert (caller.account, caller.region, caller.principal) == ("123456789012", "eu-west-1", None)


def test_without_keys_nobody_is_let_in_where_others_reach_the_service(serve: Serve) -> None:
    port = serve(is_open_without_keys=False).port
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        boto_client(port).list_models()
