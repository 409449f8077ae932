"""Objects as local files: copied on first use, and kept as long as there is room.

Only for objects that never change once they are written, as those under our own keys.
"""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from openlookout.buckets.buckets import Buckets

BYTES_MAX = 20 * 10**9


def local_copy(buckets: Buckets, folder: str, bucket: str, key: str) -> Path:
    """Give the path of a copy; several children may ask at once."""
    path = Path(folder) / hashlib.sha256(f"{bucket}\n{key}".encode()).hexdigest()
    if path.exists():
        os.utime(path)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    with buckets.open(bucket, key) as source, part.open("wb") as file:
        shutil.copyfileobj(source, file, 2**20)
    part.replace(path)
    _make_room(Path(folder))
    return path


def _make_room(folder: Path) -> None:
    """Delete what was used longest ago beyond BYTES_MAX."""
    with suppress(FileNotFoundError):  # Another child makes room too.
        kept = sorted(((path.stat().st_mtime, path) for path in folder.iterdir()), reverse=True)
        n_bytes = 0
        for _, path in kept:
            n_bytes += path.stat().st_size
            if n_bytes > BYTES_MAX:
                path.unlink(missing_ok=True)
