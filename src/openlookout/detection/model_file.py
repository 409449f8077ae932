"""A fitted detector as one file: a zip of plain arrays and a JSON description. No pickle: it cannot run code."""

import io
import json
import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from dataclasses import fields
from functools import lru_cache
from typing import Any

import numpy as np

from openlookout.detection.choosing import SPANS
from openlookout.detection.drifting import Drifting
from openlookout.detection.ensemble import Calibration, Ensemble, Familiar, View
from openlookout.detection.expectation import Expectation
from openlookout.detection.extremes import Extremes
from openlookout.detection.gaussian import Gaussian
from openlookout.detection.levels import Levels
from openlookout.detection.members import Lagged, Level, Tails, Windowed
from openlookout.detection.modes import Modes
from openlookout.detection.scaling import Scaling

FORMAT = "openlookout-model"
VERSION = 8
KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Level,
        Lagged,
        Windowed,
        Tails,
        Gaussian,
        Scaling,
        Levels,
        Calibration,
        Modes,
        Familiar,
        Drifting,
        Expectation,
        Extremes,
    )
}


BYTES_MAX = 2**31  # Of all arrays of a file, unpacked.
ARRAYS_MAX = 10_000
# What the readers of zip, numpy and JSON raise on bytes that are not theirs.
DAMAGED = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
    EOFError,
    OSError,
    RuntimeError,
    struct.error,
    tokenize.TokenError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


class ModelFileError(Exception):
    """The bytes are no model file of this release; the message says what is wrong."""


def save(detector: Ensemble) -> bytes:
    """Give the file. Loading it gives a detector with the same scores, to the bit."""
    arrays: dict[str, np.ndarray] = {"deciding": detector.deciding, "ranking": detector.ranking}
    description = {
        "format": FORMAT,
        "version": VERSION,
        "limit": detector.limit.hex(),
        "peak_limit": detector.peak_limit.hex(),
        "span": detector.span,
        "scaling": _put(detector.scaling, "scaling", arrays),
        "levels": _put(detector.levels, "levels", arrays),
        "extremes": _put(detector.extremes, "extremes", arrays),
        "drifting": _put(detector.drifting, "drifting", arrays),
        "expectation": _put(detector.expectation, "expectation", arrays),
        "calibration": _put(detector.calibration, "calibration", arrays),
        "familiar": None if detector.familiar is None else _put(detector.familiar, "familiar", arrays),
        "views": [_put_view(view, f"view{i}", arrays) for i, view in enumerate(detector.views)],
    }
    out = io.BytesIO()
    np.savez_compressed(
        out, allow_pickle=False, description=np.frombuffer(json.dumps(description).encode(), np.uint8), **arrays
    )
    return out.getvalue()


def load(content: bytes) -> Ensemble:
    """Give the detector of a file.

    Raises:
        ModelFileError: it is no model file, is damaged, or was written by a later release.
    """
    try:
        arrays = _arrays(content)
        description = json.loads(arrays["description"].tobytes())
        if description["format"] != FORMAT or description["version"] != VERSION:
            found = f"{description['format']} {description['version']}"[:100]
            raise ModelFileError(f"the file is {found}; {FORMAT} {VERSION} can be read")
        return Ensemble(
            _take(description["scaling"], arrays),
            _take(description["levels"], arrays),
            tuple(_take_view(view, arrays) for view in description["views"]),
            _take(description["calibration"], arrays),
            arrays["deciding"],
            arrays["ranking"],
            float.fromhex(description["limit"]),
            float.fromhex(description["peak_limit"]),
            _span(description["span"]),
            None if description["familiar"] is None else _take(description["familiar"], arrays),
            _take(description["extremes"], arrays),
            _take(description["drifting"], arrays),
            _take(description["expectation"], arrays),
        )
    except DAMAGED as error:
        shown = str(error)[:500]
        raise ModelFileError(f"the file is no model file or is damaged: {type(error).__name__}: {shown}") from None


def _span(said: Any) -> int:
    if said not in SPANS:
        raise ModelFileError(f"the span is {str(said)[:100]}; it is one of {SPANS}")
    return int(said)


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    """Give the arrays by name, of BYTES_MAX bytes in all, whatever the file claims or a header says.

    numpy's own reader makes room for what a header says, and unpacks what comes.
    """
    arrays, n_left = {}, BYTES_MAX
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        if len(file.namelist()) > ARRAYS_MAX:
            raise ModelFileError(f"the file has {len(file.namelist())} arrays; {ARRAYS_MAX} are the limit")
        for name in file.namelist():
            with file.open(name) as packed:
                unpacked = packed.read(n_left + 1)
            n_left -= len(unpacked)
            if n_left < 0:
                raise ModelFileError(f"the file unpacks to more than {BYTES_MAX} bytes")
            arrays[name.removesuffix(".npy")] = _array(name, unpacked)
    return arrays


def _array(name: str, unpacked: bytes) -> np.ndarray:
    n_length = 2 if unpacked[6:8] == b"\x01\x00" else 4
    offset = 8 + n_length + int.from_bytes(unpacked[8 : 8 + n_length], "little")
    shape, is_fortran, dtype = _header(unpacked[:offset])
    n_bytes = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or n_bytes != len(unpacked) - offset:
        raise ModelFileError(f"the array {name[:100]} is said to have {n_bytes} bytes and has another number")
    read: np.ndarray = np.ndarray(shape, dtype, unpacked, offset, order="F" if is_fortran else "C")
    return read.copy(order="K")


@lru_cache(maxsize=1024)
def _header(start: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read what comes before an array's numbers. numpy parses it as Python, and models of a kind have the same."""
    stream = io.BytesIO(start)
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    header: tuple[tuple[int, ...], bool, np.dtype[Any]] = read(stream)
    return header


def _put_view(view: View, name: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    return {
        "imputing": _put(view.imputing, f"{name}.imputing", arrays),
        "members": [_put(member, f"{name}.member{i}", arrays) for i, member in enumerate(view.members)],
    }


def _take_view(said: dict[str, Any], arrays: dict[str, np.ndarray]) -> View:
    members = tuple(_take(member, arrays) for member in said["members"])
    return View(_take(said["imputing"], arrays), members)


def _put(value: Any, name: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Put the arrays of a dataclass among `arrays`; describe the rest."""
    said: dict[str, Any] = {"kind": type(value).__name__}
    for field in fields(value):
        given = getattr(value, field.name)
        key = f"{name}.{field.name}"
        if isinstance(given, np.ndarray):
            arrays[key] = given
            said[field.name] = {"array": key}
        elif type(given).__name__ in KINDS:
            said[field.name] = _put(given, key, arrays)
        else:
            said[field.name] = given
    return said


def _take(said: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    kind = KINDS[said["kind"]]
    members = {}
    for field in fields(kind):
        given = said[field.name]
        if isinstance(given, dict):
            members[field.name] = arrays[given["array"]] if "array" in given else _take(given, arrays)
        else:
            members[field.name] = given
    return kind(**members)
