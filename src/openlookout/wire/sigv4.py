"""Who signed this: AWS Signature Version 4, verified from the header form.

Source: "Create a signed AWS API request", AWS Identity and Access Management user guide. Real time, not the service's
clock: the client signs with its own.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote, unquote_to_bytes

from openlookout.api.caller import AccessKey
from openlookout.api.errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    UnrecognizedClientException,
)

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "lookoutequipment"
SKEW_MAX = timedelta(minutes=5)
STAMP = "%Y%m%dT%H%M%SZ"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
HEADERS_REQUIRED = ("host", "x-amz-date")

_SPACES = re.compile(" +")
_STAMP = re.compile("[0-9]{8}T[0-9]{6}Z")
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM}\s+Credential=(?P<credential>[^,\s]+)\s*,\s*SignedHeaders=(?P<headers>[^,\s]+)\s*,\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


class Keys(Protocol):
    """Where configured access keys are found."""

    def find(self, key_id: str) -> AccessKey | None: ...

    def any(self) -> bool: ...


@dataclass(frozen=True)
class Request:
    """What is signed: header names in lower case, a header that came twice joined by a comma; `raw_path` and `query`
    as they came.
    """

    method: str
    raw_path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class _Signature:
    key_id: str
    date: str
    region: str
    headers: tuple[str, ...]
    signature: str


def verify(request: Request, keys: Keys, now: datetime) -> tuple[AccessKey, str]:
    """Give the key that signed the request, and the region that it was signed for.

    Raises:
        MissingAuthenticationTokenException: it is not signed.
        IncompleteSignatureException: the Authorization header cannot be read, or a header that must be signed is not.
        UnrecognizedClientException: the access key is not configured.
        InvalidSignatureException: the signature is not that of this request, or is too old or too new.
    """
    signed = _parse(request)
    key = keys.find(signed.key_id)
    if key is None:
        raise UnrecognizedClientException(f"The access key '{signed.key_id[:128]}' is not known.")
    stamp = request.headers["x-amz-date"]
    _check_age(stamp, signed.date, now)
    scope = f"{signed.date}/{signed.region}/{SERVICE}/aws4_request"
    to_sign = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(_canonical(request, signed).encode()).hexdigest()}"
    expected = hmac.digest(_signing_key(key.secret, signed.date, signed.region), to_sign.encode(), "sha256")
    if not hmac.compare_digest(expected.hex(), signed.signature):
        raise InvalidSignatureException(
            "The signature does not match the request: check the secret access key and that nothing changes the "
            "request on its way."
        )
    return key, signed.region


def region_of(authorization: str | None) -> str | None:
    """Give the region that a request says it was signed for, unverified; None when it does not say."""
    match = _AUTHORIZATION.fullmatch(authorization or "")
    parts = match["credential"].split("/") if match else []
    return parts[2] if len(parts) == 5 and REGION.fullmatch(parts[2]) else None


def _parse(request: Request) -> _Signature:
    authorization = request.headers.get("authorization")
    if authorization is None:
        raise MissingAuthenticationTokenException("The request is not signed; this service has access keys configured.")
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        raise IncompleteSignatureException(
            f"The Authorization header must be '{ALGORITHM} Credential=…, SignedHeaders=…, Signature=…'."
        )
    parts = match["credential"].split("/")
    if len(parts) != 5 or parts[3:] != [SERVICE, "aws4_request"] or not REGION.fullmatch(parts[2]):
        raise IncompleteSignatureException(
            f"Credential must be KEY/DATE/REGION/{SERVICE}/aws4_request, not '{match['credential'][:256]}'."
        )
    headers = tuple(match["headers"].split(";"))
    # The guide: host and every x-amz-* header. An unsigned X-Amz-Target would let others choose the operation.
    needed = [*HEADERS_REQUIRED, *(name for name in request.headers if name.startswith("x-amz-"))]
    for name in (*needed, *headers):
        if name not in headers or name not in request.headers:
            raise IncompleteSignatureException(f"The header '{name[:64]}' must be there and signed.")
    if request.headers.get("x-amz-content-sha256") == UNSIGNED_PAYLOAD:
        raise IncompleteSignatureException(f"The body must be signed; {UNSIGNED_PAYLOAD} lets others choose it.")
    return _Signature(parts[0], parts[1], parts[2], headers, match["signature"])


def _check_age(stamp: str, date: str, now: datetime) -> None:
    try:
        # Many times faster than strptime, but it takes other forms too.
        at = datetime.fromisoformat(stamp if _STAMP.fullmatch(stamp) else "")
    except ValueError:
        raise IncompleteSignatureException(f"X-Amz-Date must be YYYYMMDDTHHMMSSZ, not '{stamp[:32]}'.") from None
    if not stamp.startswith(date + "T"):
        raise InvalidSignatureException(f"The date of the credential, {date[:16]}, is not that of X-Amz-Date, {stamp}.")
    minutes = SKEW_MAX.seconds // 60
    if now - at > SKEW_MAX:
        raise InvalidSignatureException(
            f"Signature expired: {stamp} is now earlier than {now - SKEW_MAX:{STAMP}} "
            f"({now:{STAMP}}, the time of this service, minus {minutes} minutes)."
        )
    if at - now > SKEW_MAX:
        raise InvalidSignatureException(
            f"Signature not yet current: {stamp} is still later than {now + SKEW_MAX:{STAMP}} "
            f"({now:{STAMP}}, the time of this service, plus {minutes} minutes)."
        )


def _canonical(request: Request, signed: _Signature) -> str:
    payload = hashlib.sha256(request.body).hexdigest()
    pairs = [part.partition("=") for part in request.query.split("&") if part]
    query = sorted((_encoded(name), _encoded(value)) for name, _, value in pairs)
    lines = [
        request.method,
        request.raw_path or "/",
        "&".join(f"{name}={value}" for name, value in query),
        *(f"{name}:{_SPACES.sub(' ', request.headers[name].strip(' '))}" for name in sorted(signed.headers)),
        "",
        ";".join(sorted(signed.headers)),
        payload,
    ]
    return "\n".join(lines)


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text.replace("+", " ")), safe="-_.~")


@lru_cache(maxsize=256)
def _signing_key(secret: str, date: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
