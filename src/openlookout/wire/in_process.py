"""The API without a socket: a request to the application in the same process."""

from typing import Any


async def post(app: Any, headers: list[tuple[bytes, bytes]], body: bytes) -> tuple[int, Any, bytes]:
    """Send one POST / through an ASGI application; give status, headers and body."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": None,
        "server": ("localhost", 80),
    }
    parts: list[bytes] = []
    started: dict[str, Any] = {}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    answered = {name.decode("latin-1"): value.decode("latin-1") for name, value in started["headers"]}
    return started["status"], answered, b"".join(parts)
