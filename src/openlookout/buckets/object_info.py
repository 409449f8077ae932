"""An object in a listing, and how much of one is read at once. Knows no back end."""

from dataclasses import dataclass
from datetime import datetime

READ_BYTES_MAX = 2**30


@dataclass(frozen=True)
class ObjectInfo:
    """Key, size in bytes, when it was written, and a tag that changes with the content: to compare, not to parse."""

    key: str
    size: int
    modified: datetime
    etag: str
