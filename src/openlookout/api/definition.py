"""The definition of the API as it is read at run time."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any


@lru_cache(maxsize=1)
def definition() -> dict[str, Any]:
    """Give operations and shapes, as definition.json has them. Not to be changed by the caller."""
    loaded: dict[str, Any] = json.loads((Path(__file__).parent / "definition.json").read_text(encoding="utf-8"))
    return loaded
