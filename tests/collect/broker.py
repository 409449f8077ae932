"""An MQTT broker of its own process, for tests: Debian's mosquitto, killed and started again with what it kept.

Brokers from PyPI were tried: one loses messages at the moment at which a client leaves, the others know no QoS 1.
"""

import base64
import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

MOSQUITTO = os.environ.get("MOSQUITTO", "/usr/sbin/mosquitto")


class Broker:
    """A broker on a port that stays the same. `tls`: certificate and key of the server; with `ca` every client must have
    a certificate of that authority, with `passwords` be one of these users.
    """

    def __init__(
        self, folder: Path, *tls: Path, ca: Path | None = None, passwords: Mapping[str, str] | None = None
    ) -> None:
        assert Path(MOSQUITTO).exists(), "the tests need mosquitto: apt-get install mosquitto, or set MOSQUITTO"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)  # Started by root it works as a user of its own.
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {'true' if passwords is None else 'false'}",
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            "max_queued_messages 0",
            f"user {_user()}",
        ]
        if tls:
            lines += [f"certfile {tls[0]}", f"keyfile {tls[1]}"]
        if ca is not None:
            lines += [f"cafile {ca}", "require_certificate true"]
        if passwords is not None:
            users = folder / "passwords"
            users.write_text("".join(f"{name}:{_hashed(password)}\n" for name, password in passwords.items()))
            lines.append(f"password_file {users}")
        self._file = folder / "mosquitto.conf"
        self._file.write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._file)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert time.monotonic() < deadline, "the broker did not start"
            assert self._process.poll() is None, "the broker ended"
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9: nothing is said goodbye to."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM: it saves what it has."""
        self._process.terminate()
        self._process.wait(timeout=30)

    @contextlib.contextmanager
    def up(self) -> Iterator["Broker"]:
        self.start()
        try:
            yield self
        finally:
            self.kill()


def _user() -> str:
    return "root" if hasattr(os, "getuid") and os.getuid() == 0 else "mosquitto"


def _hashed(password: str) -> str:
    """As mosquitto_passwd writes it: PBKDF2 with SHA-512."""
    salt, rounds = os.urandom(12), 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
