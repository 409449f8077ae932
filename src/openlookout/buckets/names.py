"""What a bucket name and a key are: S3's rules and a few of ours, and how a key is spelt on Windows.

Knows texts only: no file, no network.
"""

import re

from openlookout.buckets.errors import KeyRefusedError

KEY_BYTES_MAX = 1024  # S3, "Object key names".
BUCKET_NAME = re.compile(r"[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9]")
IP_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")

# Windows, "Naming files, paths, and namespaces": signs, then names of devices, with or without an extension.
WINDOWS_SIGNS = re.compile(r'[\x00-\x1f<>:"|?*\\%]')
WINDOWS_DEVICE = re.compile(r"(?i:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?=[ .]|$)")
ESCAPE = re.compile(r"%([0-9A-F]{2})")


def check_bucket(bucket: str) -> None:
    """Accept a bucket name of S3.

    Raises:
        KeyRefusedError: it is none.
    """
    if not BUCKET_NAME.fullmatch(bucket) or ".." in bucket or IP_ADDRESS.fullmatch(bucket):
        raise KeyRefusedError(
            f"{bucket[:100]!r} is no bucket name: 3 to 63 lower-case letters, digits, '-' and '.', no IP address"
        )


def check_key(bucket: str, key: str) -> None:
    """Accept a key that an object can have.

    `.` and `..` are refused on S3 too: between us and a compatible server something may resolve them, into another
    bucket. A key that ends in `/` marks a folder and has no content.

    Raises:
        KeyRefusedError: no object can have it; the message says why.
    """
    reason = _too_long_or_no_text(key)
    if not key:
        reason = "it is empty"
    elif key.endswith("/"):
        reason = "a key that ends in '/' marks a folder"
    elif not reason and {".", ".."} & set(key.split("/")):
        reason = "'.' and '..' are no names"
    if reason:
        raise refused(bucket, key, reason)


def check_prefix(bucket: str, prefix: str) -> None:
    """Accept the beginning of a key, a plain text that may end anywhere.

    Raises:
        KeyRefusedError: no key can begin with it.
    """
    if reason := _too_long_or_no_text(prefix):
        raise refused(bucket, prefix, reason, what="prefix")


def refused(bucket: str, key: str, reason: str, *, what: str = "key") -> KeyRefusedError:
    """Give the error that says why a key cannot be."""
    return KeyRefusedError(f"the {what} {key[:200]!r} of bucket '{bucket}' is refused: {reason}")


def is_text(key: str) -> bool:
    """Tell whether UTF-8 can hold it: the name of a file that is no UTF-8 reaches Python as text that cannot."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def windows_name(segment: str) -> str:
    """Give the file name that stands for a segment of a key on Windows; `segment_of_windows_name` gives it back."""
    name = WINDOWS_SIGNS.sub(lambda found: _escape(found[0]), segment)
    if WINDOWS_DEVICE.match(name):
        name = _escape(name[0]) + name[1:]
    # Windows drops a dot or a space at the end.
    return name[:-1] + _escape(name[-1]) if name.endswith((".", " ")) else name


def segment_of_windows_name(name: str) -> str:
    """Give the segment that a file name stands for; a name that we would not have written stands for itself."""
    segment = ESCAPE.sub(lambda found: chr(int(found[1], 16)), name)
    return segment if windows_name(segment) == name else name


def stands_for_itself(segment: str) -> bool:
    """Tell whether Windows can have a file of this very name, and the name stands for nothing else."""
    return segment_of_windows_name(segment) == segment and windows_name(segment).replace("%25", "%") == segment


def _escape(sign: str) -> str:
    return f"%{ord(sign):02X}"


def _too_long_or_no_text(key: str) -> str:
    if not is_text(key):
        return "it is no UTF-8"
    if "\0" in key:
        return "it has a zero byte"
    n_bytes = len(key.encode())
    return f"it has {n_bytes} bytes, {KEY_BYTES_MAX} is the limit" if n_bytes > KEY_BYTES_MAX else ""
