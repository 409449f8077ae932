"""Key patterns: which component an object in the bucket belongs to, told from its key.

Knows keys and names as text. Knows no bucket and no file: the API loads this module.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from openlookout.timeseries.schema import COMPONENT_NAME

_HEAD = "{prefix}/{component_name}"
_SUFFIXES = (".csv.gz", ".csv", ".gz", ".parquet")


class KeyPatternError(Exception):
    """The text is none of the forms of a KeyPattern."""


@dataclass(frozen=True)
class KeyPattern:
    """How a key names its component: by the folder after the prefix, or by the file name before a delimiter.

    With the delimiter '.' the component is the complete file name without `.csv` or `.parquet`, dots included.
    """

    delimiter: Literal["/", " ", ".", "_", "-"]

    def component(self, key: str, prefix: str, known: Collection[str] | None = None) -> str | None:
        """Give the component that the key belongs to, or None for a key that is no data file of this pattern.

        With `known` names only those count, and where the delimiter is part of names the longest that fits wins
        (`pump_2` before `pump` for `pump_2_january.csv`). Without, a name ends at the first delimiter.
        """
        if not key.startswith(prefix) or key.endswith("/"):
            return None
        rest = key[len(prefix) :]
        if self.delimiter == "/":
            name, slash, _ = rest.partition("/")
            return _allowed(name, known) if slash else None
        if "/" in rest:
            return None
        if self.delimiter == ".":
            return _allowed(_stem(rest), known)
        cuts = [index for index, character in enumerate(rest) if character == self.delimiter]
        if known is None:
            return _allowed(rest[: cuts[0]], None) if cuts else None
        names = (_allowed(rest[:cut], known) for cut in reversed(cuts))
        return next((name for name in names if name is not None), None)


FOLDERS = KeyPattern("/")
FILES = KeyPattern(".")


@dataclass(frozen=True)
class Assignment:
    """The keys that hold readings, with their components, in the order of the keys; and the keys that hold none."""

    components: tuple[tuple[str, str], ...]
    unmatched: tuple[str, ...]


def parse_key_pattern(text: str) -> KeyPattern:
    """Read a KeyPattern: a folder or a file name part, in the three forms that the message of the error lists.

    Raises:
        KeyPatternError: the text is none of them.
    """
    if text == _HEAD + "/*":
        return FOLDERS
    for delimiter in (" ", ".", "_", "-"):
        if text == f"{_HEAD}{delimiter}*":
            return KeyPattern(delimiter)
    raise KeyPatternError(
        f"'{text[:200]}' is none of {_HEAD}/*, {_HEAD}_* and {_HEAD}[DELIMITER]* with a space, '.', '_' or '-' "
        "as the delimiter"
    )


def assign(keys: Sequence[str], prefix: str, pattern: KeyPattern | None, known: Collection[str] | None) -> Assignment:
    """Find the component of every key under the prefix; `known` are the components of the schema, if there is one.

    Without a pattern it is a folder for each component; where that fits no key at all, flat files `<component>.csv`.
    Folder markers (keys that end in `/`) are left out. The order of the keys is kept: it is the order of encounter.
    """
    files = [key for key in keys if not key.endswith("/")]
    for candidate in (FOLDERS, FILES) if pattern is None else (pattern,):
        found = [(key, candidate.component(key, prefix, known)) for key in files]
        matched = tuple((key, name) for key, name in found if name is not None)
        if matched:
            return Assignment(matched, tuple(key for key, name in found if name is None))
    return Assignment((), tuple(files))


def _stem(name: str) -> str:
    return next((name[: -len(suffix)] for suffix in _SUFFIXES if name.lower().endswith(suffix)), name)


def _allowed(name: str, known: Collection[str] | None) -> str | None:
    if known is not None:
        return name if name in known else None
    return name if COMPONENT_NAME.fullmatch(name) else None
