"""What a child is told to do, by name: nothing is imported but what it does."""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any


def called(name: str, *arguments: object) -> Mapping[str, Any]:
    """Give what `package.module:function` gives for the arguments."""
    answer: Mapping[str, Any] = resolve_name(name)(*arguments)
    return answer
