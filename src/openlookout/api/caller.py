"""Who calls: access keys, and what authentication found out about a request."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """The account and region that a request acts in.

    `principal` is the access key's id, None when the request was let in unsigned. One `is_read_only` may look at
    everything of the account and change nothing.
    """

    account: str
    region: str
    request_id: str
    principal: str | None = None
    is_read_only: bool = False


@dataclass(frozen=True)
class AccessKey:
    """A configured access key and the account that it acts for."""

    id: str
    secret: str
    account: str
    is_read_only: bool = False
