"""The exported file: a zip with a README, a description as JSON, and the detector's arrays. Knows bytes only.

`manifest.json` names every other entry with its SHA-256; the digest of the manifest is the digest of the file. A file
whose entries do not fit its manifest, or whose manifest has not the digest that the importer was told, is refused.
"""

import hashlib
import io
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT, FORMAT_VERSION = "openlookout-model-version", 1
MANIFEST, README, DESCRIPTION = "manifest.json", "README.md", "version.json"
DETECTOR, SUMMARY = "model/model.npz", "model/summary.json"
DETECTABILITY = "model/detectability.json"
ENTRIES = (README, DESCRIPTION, DETECTOR, SUMMARY)
OPTIONAL_ENTRIES = (DETECTABILITY,)  # What a version may lack.
ENTRY_BYTES_MAX = 2**30
FILE_BYTES_MAX = 2**31
# What zip and JSON readers raise on bytes that are not theirs.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,  # Also NotImplementedError: a way of packing that zipfile does not know; and RecursionError.
    MemoryError,
    lzma.LZMAError,
)
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # No time in the file: the same version is the same file.

README_TEXT = """# A model version, exported from OpenLookout

Everything that the trained model is. It can be read without OpenLookout:

* `version.json`: what it was trained with and how good it is. Names, times (ISO 8601, UTC), configuration and metrics
  as the API shows them.
* `model/summary.json`: the sensors (`component\\sensor`, in the order of the arrays' columns), how readings become rows
  (`sampling`, times in microseconds since 1970), the off-condition.
* `model/model.npz`: the detector, a zip of NumPy arrays (`numpy.load(path, allow_pickle=False)`). Its array
  `description` is JSON as bytes: it says which arrays belong to which member of the ensemble. `docs/detection.md` of
  the project says how a row is scored from them.
* `model/detectability.json`, where the version has one: which planted faults it would find, by sensor; with
  `limit_factor` where it was examined at another limit, of which that of the version is so many times.
* `manifest.json`: the SHA-256 of every other file.

`openlookout import <file>` makes it a model version again, and refuses it when a byte was changed.
"""


class ArchiveError(Exception):
    """The file is no exported model version, or was changed; the message is a sentence."""


@dataclass(frozen=True)
class Archive:
    """`description`: as in version.json. `digest`: hexadecimal SHA-256 of the manifest."""

    description: Mapping[str, Any]
    detector: bytes
    summary: bytes
    detectability: bytes | None
    digest: str


def write_archive(
    path: Path,
    description: Mapping[str, Any],
    detector: bytes,
    summary: bytes,
    *,
    detectability: bytes | None = None,
) -> str:
    """Write the file, whole or not at all; give its digest.

    Raises:
        OSError: it cannot be written.
    """
    entries = {
        README: README_TEXT.encode(),
        DESCRIPTION: json.dumps(description, indent=2, sort_keys=True).encode(),
        DETECTOR: detector,
        SUMMARY: summary,
        **({} if detectability is None else {DETECTABILITY: detectability}),
    }
    manifest = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in entries.items()},
    }
    said = json.dumps(manifest, indent=2, sort_keys=True).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in {MANIFEST: said, **entries}.items():
            entry = zipfile.ZipInfo(name, ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            file.writestr(entry, content)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(out.getvalue())
    unfinished.replace(path)
    return hashlib.sha256(said).hexdigest()


def read_archive(path: Path, digest: str | None = None) -> Archive:
    """Read the file and check every byte of it. `digest`: what the exporter was told; None: not checked.

    Raises:
        ArchiveError: it is no exported model version, is damaged, was changed, or has another digest.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size > FILE_BYTES_MAX:
        raise ArchiveError(f"{path} is no exported model version: it has {size} bytes, {FILE_BYTES_MAX} is the limit")
    whole = io.BytesIO(path.read_bytes())  # In memory: what a damaged file asks for is no error of the disk.
    try:
        with zipfile.ZipFile(whole) as file:
            names = file.namelist()
            there = [name for name in OPTIONAL_ENTRIES if name in names]
            if sorted(names) != sorted((MANIFEST, *ENTRIES, *there)):
                raise ArchiveError(f"{path} is no exported model version: it holds {', '.join(names[:8]) or 'nothing'}")
            said = _entry(file, MANIFEST)
            manifest = json.loads(said)
            if (manifest["format"], manifest["version"]) != (FORMAT, FORMAT_VERSION):
                raise ArchiveError(
                    f"{path} is {manifest['format']} {manifest['version']}; {FORMAT} {FORMAT_VERSION} can be read"
                )
            found = hashlib.sha256(said).hexdigest()
            if digest is not None and digest.lower() != found:
                raise ArchiveError(f"{path} was changed, or is another file: its digest is {found}, not {digest}")
            if set(manifest["sha256"]) != {*ENTRIES, *there}:
                raise ArchiveError(f"{path} was changed: it holds other files than manifest.json says")
            entries = {name: _entry(file, name) for name in (*ENTRIES, *there)}
            for name, content in entries.items():
                if manifest["sha256"][name] != hashlib.sha256(content).hexdigest():
                    raise ArchiveError(f"{path} was changed: {name} is not what manifest.json says")
            description = json.loads(entries[DESCRIPTION])
    except DAMAGED as error:
        raise ArchiveError(
            f"{path} is no exported model version or is damaged: {type(error).__name__}: {error}"
        ) from None
    return Archive(description, entries[DETECTOR], entries[SUMMARY], entries.get(DETECTABILITY), found)


def _entry(file: zipfile.ZipFile, name: str) -> bytes:
    """Give an entry's content, of at most ENTRY_BYTES_MAX bytes whatever it claims."""
    with file.open(name) as stream:
        content = stream.read(ENTRY_BYTES_MAX + 1)
    if len(content) > ENTRY_BYTES_MAX:
        raise ArchiveError(f"{name} has more than {ENTRY_BYTES_MAX} bytes")
    return content
