"""Amazon Lookout for Equipment, self-hosted: the same 49 operations, with real detection behind them.

`openlookout.client(endpoint)` gives a boto3 client, `openlookout.local(path)` the same over a service in this process.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openlookout.clients import client as client
    from openlookout.embed import local as local

__all__ = ["client", "local"]
_ROOMS = {"client": "openlookout.clients", "local": "openlookout.embed"}


def __getattr__(name: str) -> Any:
    """Load what is offered on first use: importing one module of ours must not import all."""
    if name in _ROOMS:
        return getattr(import_module(_ROOMS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
