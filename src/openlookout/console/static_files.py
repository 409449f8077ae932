"""The console's own files and Plotly.js: under an address that has their digest in it, so browsers keep them for ever.

Plotly.js is the file that the wheel `plotly` ships; its Python code is never imported.
"""

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
PLOTLY = "plotly.min.js"
# Plotly.js brings the style sheet of its maps, unless an element of this name is there. Nothing here is a map.
_STYLE_NAME = re.compile(rb'document\.getElementById\("([0-9a-f]{64})"\)')
NEAR = frozenset({"127.0.0.1", "localhost", "::1"})
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class StaticFile:
    content: bytes
    digest: str
    media_type: str

    @cached_property
    def gzipped(self) -> bytes:
        return gzip.compress(self.content, 6, mtime=0)


@lru_cache(maxsize=32)
def static_file(name: str) -> StaticFile | None:
    """Give a file by its name, None when there is none."""
    path = _path(name)
    if path is None:
        return None
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:16]
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return StaticFile(content, digest, media_type)


def url(name: str) -> str:
    """The address of a file, for templates."""
    file = static_file(name)
    assert file is not None, f"there is no static file {name}"
    return f"/static/{file.digest}/{name}"


@lru_cache(maxsize=1)
def unwanted_styles() -> tuple[str, ...]:
    """The names of the style sheets that Plotly.js would add and that the policy of our pages forbids."""
    file = static_file(PLOTLY)
    assert file is not None
    return tuple(dict.fromkeys(name.decode() for name in _STYLE_NAME.findall(file.content)))


async def answer(request: Request) -> Response:
    """Give a file under any digest: an open page of an earlier release still gets one."""
    file = await anyio.to_thread.run_sync(static_file, request.path_params["name"])
    if file is None:
        return Response("There is no such file.", 404, media_type="text/plain")
    is_current = request.path_params["version"] == file.digest
    headers = {
        "cache-control": FOR_EVER if is_current else "no-cache",
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "same-origin",
        "vary": "accept-encoding",
    }
    # On this machine bytes cost nothing, and packing Plotly.js would be what the first page waits for.
    is_near = request.url.hostname in NEAR
    if "gzip" in request.headers.get("accept-encoding", "") and not is_near:
        packed = await anyio.to_thread.run_sync(lambda: file.gzipped)
        return Response(packed, headers={**headers, "content-encoding": "gzip"}, media_type=file.media_type)
    return Response(file.content, headers=headers, media_type=file.media_type)


def _path(name: str) -> Path | None:
    if name == PLOTLY:
        package = find_spec("plotly")
        assert package is not None, "the package plotly, a dependency, is not installed"
        assert package.origin is not None
        return Path(package.origin).parent / "package_data" / PLOTLY
    own = {path.name: path for path in FOLDER.iterdir()}
    return own.get(name)
