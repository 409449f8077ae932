"""Webhooks: POST of the message as JSON, signed as the Standard Webhooks specification says.

Headers: `webhook-id` (the message's, the same whenever it is sent again), `webhook-timestamp` (seconds of the epoch)
and `webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, by the base64 after `whsec_` or
the bytes of any other secret. The URL is a secret as well: with many services whoever knows it may post.
"""

import base64
import binascii
import hashlib
import hmac
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3

from openlookout.alerts.sending import SECONDS_MAX, BadChannel, Envelope, Rejected, Unreachable, check_names, resolved

RETRY_SECONDS_MAX = 3600.0
# The other side's trouble, not the message's: timeouts, too many requests, keys not right yet, no such address.
UNREACHABLE = frozenset({401, 403, 404, 408, 425, 429})


class Webhook:
    """An HTTP endpoint that takes messages."""

    fields = ("url", "secret", "ca_file")
    secrets = ("url", "secret")

    def check(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        check_names("webhook", self.fields, ("url", "secret"), configuration)
        if not configuration["url"].startswith(("env:", "file:")):
            _check_url(configuration["url"])
        if configuration["secret"].startswith("whsec_"):
            _key(configuration["secret"])
        return {"ca_file": None, **configuration}

    def shown(self, configuration: Mapping[str, Any]) -> str:
        url = configuration["url"]
        if url.startswith(("env:", "file:")):
            return str(url)
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}/…"

    def send(self, configuration: Mapping[str, Any], envelope: Envelope) -> None:
        url, secret = resolved(configuration["url"]), resolved(configuration["secret"])
        where = self.shown({"url": url})
        now = int(time.time())
        headers = {
            "content-type": "application/json",
            "user-agent": "openlookout",
            "webhook-id": envelope.id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(secret, envelope.id, now, envelope.body),
        }
        try:
            with urllib3.PoolManager(ca_certs=configuration["ca_file"], retries=False) as pool:
                answer = pool.request(
                    "POST", url, body=envelope.body, headers=headers, timeout=SECONDS_MAX, redirect=False
                )
        except (urllib3.exceptions.HTTPError, OSError, ssl.SSLError) as error:
            # The library's own words quote the URL.
            raise Unreachable(f"{where} does not answer: {type(error).__name__}") from None
        if 200 <= answer.status < 300:
            return
        said = f"{where} answered {answer.status}"
        if answer.status >= 500 or answer.status in UNREACHABLE:
            raise Unreachable(said, _retry_after(answer.headers.get("retry-after")))
        raise Rejected(said)


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Give the value of `webhook-signature`."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise BadChannel("the secret begins with whsec_ and is no base64 after it") from None


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise BadChannel("the url of a webhook begins with https:// or http:// and has a host")


def _retry_after(text: str | None) -> float | None:
    """The header in seconds; a date is not looked at."""
    return min(float(text), RETRY_SECONDS_MAX) if text is not None and text.isdecimal() else None
