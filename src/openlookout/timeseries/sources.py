"""The files of an ingestion: how each is opened, how much was read of all, and that they cannot be ingested."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

Progress = Callable[[int, int], None]
"""Called with the bytes that were read, and the bytes in all."""


class IngestionError(Exception):
    """Nothing can be ingested; the message names the file and what was expected."""


@dataclass(frozen=True)
class Source:
    """One file: its key, the component it belongs to, its size in bytes, and how to open it from its start."""

    key: str
    component: str
    size: int
    open: Callable[[], BinaryIO]


class Meter:
    """Counts the bytes that were read of all the files."""

    def __init__(self, n_bytes: int, progress: Progress | None) -> None:
        self._n_bytes, self._progress = n_bytes, progress
        self._n_before, self._n_read = 0, 0

    def opened(self, source: Source) -> "_Metered":
        self._n_before += self._n_read
        self._n_read = 0
        return _Metered(self, source)

    def add(self, n_bytes: int) -> None:
        self._n_read += n_bytes

    def report(self) -> None:
        if self._progress is not None:
            self._progress(min(self._n_before + self._n_read, self._n_bytes), self._n_bytes)


class _Metered:
    """The stream of a source, opened and closed with it, that tells the meter what was read."""

    def __init__(self, meter: Meter, source: Source) -> None:
        self._meter, self._source = meter, source

    def __enter__(self) -> BinaryIO:
        self._stream = self._source.open()
        return self  # type: ignore[return-value]  # The reader needs read() alone.

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._meter.report()

    def read(self, n_bytes: int = -1) -> bytes:
        read = self._stream.read(n_bytes)
        self._meter.add(len(read))
        return read
