"""Whose a bucket is: which accounts may name it in a request. Knows texts only."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openlookout.api.errors import AccessDeniedException

EVERYBODY = "*"
_ACCOUNT = re.compile(r"\d{12}|\*")


class BucketOwnersError(Exception):
    """The text says not whose the buckets are; the message names the line."""


@dataclass(frozen=True)
class BucketOwners:
    """`accounts`: bucket -> the accounts that may name it; a bucket that is not there is nobody's."""

    accounts: Mapping[str, frozenset[str]]

    def check(self, account: str, request: Mapping[str, Any]) -> None:
        """Look at every bucket that a request names.

        Raises:
            AccessDeniedException: one is not the account's; the same whether there is such a bucket or not.
        """
        for bucket in _buckets(request):
            if not self.accounts.get(bucket, frozenset()) & {account, EVERYBODY}:
                raise AccessDeniedException(f"The account {account} may not use the bucket '{bucket}'.")


def parse_bucket_owners(text: str) -> BucketOwners:
    """Read lines of a bucket and the accounts that may use it, `*` for all; `#` begins a comment.

    Raises:
        BucketOwnersError: a line has another form, or a bucket comes twice.
    """
    accounts: dict[str, frozenset[str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        bucket, *named = line.partition("#")[0].split() or [""]
        if not bucket:
            continue
        if not named or not all(_ACCOUNT.fullmatch(each) for each in named):
            raise BucketOwnersError(
                f"line {number}: '{line[:200]}' is not BUCKET ACCOUNT…, an account of 12 digits or *"
            )
        if bucket in accounts:
            raise BucketOwnersError(f"line {number}: the bucket '{bucket[:63]}' has a line already")
        accounts[bucket] = frozenset(named)
    return BucketOwners(accounts)


def _buckets(value: Any) -> Iterator[str]:
    """The values of every member `Bucket`, at any depth."""
    if isinstance(value, Mapping):
        for member, given in value.items():
            if member == "Bucket" and isinstance(given, str):
                yield given
            else:
                yield from _buckets(given)
    elif isinstance(value, list):
        for each in value:
            yield from _buckets(each)
