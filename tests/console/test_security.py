"""Who gets in, what a form must carry, and what every answer tells the browser: over sockets, without a browser."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from openlookout.api.caller import AccessKey
from openlookout.app.api import api_server
from openlookout.app.console import with_console
from openlookout.app.foundation import opened
from openlookout.jobs import engine
from openlookout.settings import Settings
from openlookout.store import keys as key_store
from openlookout.store.database import Database
from openlookout.wire.server import create_app
from served import served as serving

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Visitor(requests.Session):
    """A browser without cookies that follows no redirect."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._origin = f"http://127.0.0.1:{port}"

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        return super().request(method, self._origin + url, **{"timeout": 20, **options, "allow_redirects": False})


@dataclass(frozen=True)
class Served:
    """A console without jobs behind it; `visitor` gives a browser without cookies."""

    database: Database
    full: AccessKey | None
    looking: AccessKey | None
    port: int

    def visitor(self) -> Visitor:
        return Visitor(self.port)

    def signed_in(self, key: AccessKey | None) -> Visitor:
        assert key is not None
        client = self.visitor()
        page = client.get("/sign-in")
        form = {"csrf": token(page.text), "key_id": key.id, "secret": key.secret, "region": "us-east-1", "to": "/"}
        assert client.post("/sign-in", data=form).headers["location"] == "/"
        return client


@contextmanager
def console(data: Path, *, with_keys: bool) -> Iterator[Served]:
    with opened(Settings(data=data)) as foundation:
        engine.migrate(foundation.database)
        full = looking = None
        if with_keys:
            full = key_store.create_key(foundation.database, "111111111111", "full", NOW)
            looking = key_store.create_key(foundation.database, "111111111111", "looking", NOW, is_read_only=True)
        with (
            with_console(foundation, api_server(foundation), str(data)) as server,
            serving(create_app(server)) as port,
        ):
            yield Served(foundation.database, full, looking, port)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with console(tmp_path_factory.mktemp("locked"), with_keys=True) as served:
        yield served


@pytest.fixture(scope="module")
def unlocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with console(tmp_path_factory.mktemp("unlocked"), with_keys=False) as served:
        yield served


def token(html: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found, html
    return found[1]


def test_without_keys_whoever_is_on_this_machine_sees_the_pages(unlocked: Served) -> None:
    answer = unlocked.visitor().get("/")
    assert answer.status_code == 200
    assert "Overview" in answer.text


def test_with_keys_every_page_asks_to_sign_in_and_then_goes_on_where_it_was(locked: Served) -> None:
    asked = locked.visitor().get("/datasets?x=1")
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?to=/datasets%3Fx%3D1")
    chart = locked.visitor().get("/datasets/d/readings", headers={"accept": "application/json"})
    assert (chart.status_code, chart.json()) == (401, {"error": "The session has ended: sign in again."})


def test_a_wrong_secret_opens_nothing_and_tells_not_which_half_is_wrong(locked: Served) -> None:
    assert locked.full
    said = set()
    for key_id, secret in ((locked.full.id, "guessed"), ("OLKANOBODY", locked.full.secret), ("", ""), ("", "no key")):
        client = locked.visitor()
        form = {"csrf": token(client.get("/sign-in").text), "key_id": key_id, "secret": secret}
        answer = client.post("/sign-in", data=form)
        assert answer.status_code == 400
        said |= set(re.findall(r"<strong>(.+?)</strong>", answer.text))
        assert client.get("/").status_code == 303
    assert said == {"The access key id and the secret do not belong together."}


@pytest.mark.parametrize("to", ["//evil.example/", "https://evil.example/", "/\\evil.example", "evil", "/\n//evil"])
def test_signing_in_leads_to_no_other_host(locked: Served, to: str) -> None:
    assert locked.full
    client = locked.visitor()
    form = {
        "csrf": token(client.get("/sign-in").text),
        "key_id": locked.full.id,
        "secret": locked.full.secret,
        "to": to,
    }
    assert client.post("/sign-in", data=form).headers["location"] == "/"


def test_signing_in_begins_a_session_of_another_id_and_signing_out_ends_it(locked: Served) -> None:
    client = locked.visitor()
    client.get("/sign-in")
    before = dict(client.cookies)
    client = locked.signed_in(locked.full)
    page = client.get("/")
    assert page.status_code == 200
    assert dict(client.cookies) != before
    assert client.post("/sign-out", data={"csrf": token(page.text)}).headers["location"] == "/sign-in"
    assert client.get("/").status_code == 303


def test_a_session_ends_with_its_key(tmp_path: Path) -> None:
    with console(tmp_path, with_keys=True) as served:
        client = served.signed_in(served.looking)
        assert client.get("/").status_code == 200
        assert served.looking
        assert key_store.delete_key(served.database, served.looking.id, datetime.now(UTC))
        deadline = threading.Event()
        for _ in range(80):
            if client.get("/").status_code == 303:
                return
            deadline.wait(0.1)
        raise AssertionError("a deleted key still opens the console after eight seconds")


def test_a_changed_or_foreign_cookie_is_no_session(locked: Served, unlocked: Served) -> None:
    client = locked.signed_in(locked.full)
    (name,) = [one for one in client.cookies.keys() if "session" in one]  # noqa: SIM118  # A jar, no mapping.
    value = client.cookies[name].strip('"')
    for other in (value[:-8] + "AAAAAAA=", value[:20], "", "x" * 5000, "é"):
        stranger = locked.visitor()
        answer = stranger.get("/", headers={"cookie": f"{name}={other}".encode("latin-1")})
        assert answer.status_code == 303


def test_a_form_without_the_token_of_its_session_changes_nothing(unlocked: Served) -> None:
    client, stranger = unlocked.visitor(), unlocked.visitor()
    mine, theirs = (token(one.get("/new/dataset").text) for one in (client, stranger))
    for sent in ({}, {"csrf": ""}, {"csrf": "made up"}, {"csrf": theirs}):
        refused = client.post("/new/dataset", data={**sent, "name": "planted"})
        assert refused.status_code == 403
        assert "Open the page again" in refused.text
    assert "planted" not in client.get("/datasets").text
    assert client.post("/new/dataset", data={"csrf": mine, "name": "mine"}).status_code == 303


def test_forms_of_other_sites_and_other_host_names_are_refused(unlocked: Served) -> None:
    client = unlocked.visitor()
    sent = {"csrf": token(client.get("/new/dataset").text), "name": "other"}
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"host": "evil.example"}):
        assert client.post("/new/dataset", data=sent, headers=headers).status_code == 403
    assert client.get("/", headers={"host": "evil.example:8580"}).status_code == 403


def test_a_read_only_key_sees_pages_and_its_forms_are_refused(locked: Served) -> None:
    client = locked.signed_in(locked.looking)
    page = client.get("/datasets")
    assert page.status_code == 200
    assert "read-only" in page.text
    sent = {"csrf": token(client.get("/new/dataset").text), "name": "mine"}
    refused = client.post("/new/dataset", data=sent)
    assert refused.status_code == 400
    assert "is read-only and may not perform lookoutequipment:CreateDataset" in refused.text


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nowhere", "/datasets/nowhere"])
def test_every_page_tells_the_browser_to_run_nothing_but_ours(unlocked: Served, path: str) -> None:
    headers = unlocked.visitor().get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(unlocked: Served) -> None:
    cookie = unlocked.visitor().get("/").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    over_tls = unlocked.visitor().get("/", headers={"x-forwarded-proto": "https"})
    assert "Secure" in over_tls.headers["set-cookie"]


def test_static_files_are_kept_for_ever_under_their_digest_only(unlocked: Served) -> None:
    client = unlocked.visitor()
    (url,) = set(re.findall(r'"(/static/[^"]+/console.css)"', client.get("/").text))
    assert "immutable" in client.get(url).headers["cache-control"]
    assert client.get("/static/0/console.css").headers["cache-control"] == "no-cache"
    assert client.get("/static/0/..%2fports.py").status_code == 404
    assert client.get("/static/0/ports.py").status_code == 404


def test_templates_hold_no_inline_script_style_or_handler() -> None:
    folder = Path(key_store.__file__).parents[1] / "console" / "templates"
    for path in folder.glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:|\|\s*safe", text), (
            path.name
        )


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/datasets",
        "/new/dataset",
        "/new/model",
        "/labels",
        "/new/label-group",
        "/settings",
        "/settings/keys",
        "/settings/audit",
        "/settings/metrics",
        "/tags",
        "/policies",
    ],
)
def test_a_service_that_holds_nothing_has_pages_that_teach_the_next_step(locked: Served, path: str) -> None:
    for key in (locked.full, locked.looking):
        page = locked.signed_in(key).get(path)
        assert page.status_code == 200
        assert "<h1>" in page.text
