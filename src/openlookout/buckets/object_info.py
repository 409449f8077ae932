"""An object in a listing."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ObjectInfo:
    """Key, size in bytes, and when it was written."""

    key: str
    size: int
    modified: datetime
