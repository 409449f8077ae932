"""The nearest listings of others, on equal data, for `api_speed.py`: MLflow's model versions, moto's model packages.

Both run in an environment of their own, made by pip on first use, on the core that our server has. Their rows are put
where they keep them, not by a million requests. MLflow keeps them in SQLite and finds a page by its offset; any page is
asked for. moto keeps them in memory and reads all of them for each request: it has fewer, and is asked for first pages.
"""

import base64
import json
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from load import Exchange, Load, load

PACKAGES = ("mlflow==3.17.2", "moto[server]==5.2.5")
SERVER = Path(__file__).with_name("api_peer_server.py")
CACHE = Path.home() / ".cache" / "openlookout-peers" / "api"
PAGE_ROWS = 50
MOTO_ROWS_MAX = 10_000
MOTO_CONNECTIONS = 1  # Sixteen at once take it minutes.
N_QUESTIONS = 200
START_SECONDS_MAX, INSTALL_SECONDS_MAX = 120, 900


def measured(rows: int, seconds: float, folder: Path, core: int) -> dict[str, tuple[int, Load]]:
    """Give, for each peer, its number of rows and its load."""
    python = installed()
    rng = random.Random(11)
    loads = {}
    with serving(python, core, "mlflow", str(folder), str(rows)) as port:
        questions = [_ask_mlflow(port, rows, rng) for _ in range(N_QUESTIONS)]
        load(port, questions, 1)
        loads["MLflow search_model_versions"] = (rows, load(port, questions, seconds))
    rows = min(rows, MOTO_ROWS_MAX)
    with serving(python, core, "moto", str(folder), str(rows)) as port:
        questions = [_ask_moto(port, rng) for _ in range(N_QUESTIONS)]
        load(port, questions, 1, MOTO_CONNECTIONS)
        loads["moto list_model_packages"] = (rows, load(port, questions, seconds, MOTO_CONNECTIONS))
    return loads


def installed() -> Path:
    """The interpreter that has the peers."""
    python = CACHE / "bin" / "python"
    done = CACHE / "installed"
    if not done.exists() or done.read_text() != " ".join(PACKAGES):
        subprocess.run([sys.executable, "-m", "venv", str(CACHE)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES]
        subprocess.run(pip, check=True, timeout=INSTALL_SECONDS_MAX)
        done.write_text(" ".join(PACKAGES))
    return python


@contextmanager
def serving(python: Path, core: int, peer: str, *arguments: str) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    command = ["taskset", "-c", str(core), str(python), str(SERVER), peer, *arguments, str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        end = time.monotonic() + START_SECONDS_MAX
        while not _is_there(port):
            if time.monotonic() > end or process.poll() is not None:
                message = f"{peer} did not start: {command}"
                raise SystemExit(message)
            time.sleep(0.2)
        yield port
    finally:
        with suppress(ProcessLookupError):
            subprocess.run(["kill", "-TERM", "--", f"-{process.pid}"], check=False)
        process.wait(30)


def _is_there(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _ask_mlflow(port: int, rows: int, rng: random.Random) -> Exchange:
    """Any page of a model, newest first; MLflow filters by name alone."""
    number, n = (0, rows // 2) if rng.random() < 0.5 else (rng.randint(1, 100), rows // 200)
    offset = rng.randint(1, n - PAGE_ROWS)
    token = base64.b64encode(json.dumps({"offset": offset}).encode()).decode()
    query = (
        f"filter={quote(f'name = {chr(39)}pump-{number}{chr(39)}')}&max_results={PAGE_ROWS}&page_token={quote(token)}"
    )
    head = f"GET /api/2.0/mlflow/model-versions/search?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
    expected = [str(version) for version in range(n - offset, n - offset - PAGE_ROWS, -1)]

    def is_right(body: bytes) -> bool:
        return [one["version"] for one in json.loads(body)["model_versions"]] == expected

    return Exchange(head.encode(), is_right)


def _ask_moto(port: int, rng: random.Random) -> Exchange:
    name = f"pump-{rng.randint(1, 100)}"
    body = json.dumps({"ModelPackageGroupName": name, "MaxResults": PAGE_ROWS}).encode()
    signed = "AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/sagemaker/aws4_request, SignedHeaders=host, Signature=0"
    head = (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Amz-Target: SageMaker.ListModelPackages\r\n"
        f"Content-Type: application/x-amz-json-1.1\r\nAuthorization: {signed}\r\nContent-Length: {len(body)}\r\n\r\n"
    )

    def is_right(answer: bytes) -> bool:
        found = json.loads(answer)["ModelPackageSummaryList"]
        return [one["ModelPackageVersion"] for one in found] == list(range(1, PAGE_ROWS + 1))

    return Exchange(head.encode() + body, is_right)
