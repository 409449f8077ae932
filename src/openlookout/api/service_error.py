"""The root of every error that leaves the service as an answer."""

from typing import ClassVar


class ServiceError(Exception):
    """An error answer: `code` is its type on the wire, the message a sentence for a person."""

    code: ClassVar[str]
    http_status: ClassVar[int]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
