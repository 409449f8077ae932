"""Who is told of what, set in a browser: channels with a test that arrives or says why not, rules, maintenance."""

import base64
import hmac
import re
import threading
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect
from starlette.datastructures import QueryParams

from console.conftest import Eyes
from console.test_security import Served, console, token
from openlookout.alerts.channel_settings import channel_set, put_channel
from openlookout.alerts.maintenance import Maintenance
from openlookout.alerts.place import Place
from openlookout.api.errors import ValidationException
from openlookout.console import maintenance_form

HIDDEN_PATH = "hooks-4711"


class Receiver(ThreadingHTTPServer):
    """The other side of a webhook: keeps what it gets, answers `status`."""

    def __init__(self) -> None:
        self.status = 204
        self.received: list[tuple[dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_said: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_channel_is_made_tested_and_deleted_and_its_secrets_are_shown_once(eyes: Eyes, receiver: Receiver) -> None:
    page = eyes.look("/alerts")
    assert "Nobody is told of anything yet" in page.inner_text("main")
    page.get_by_role("link", name="New webhook").click()
    page.get_by_label("Name").fill("ops / night")
    page.get_by_label("Address").fill(f"http://127.0.0.1:{receiver.server_port}/{HIDDEN_PATH}")
    page.get_by_label("training finished").uncheck()
    page.get_by_role("button", name="Make the channel").click()
    secret = page.locator("#made").inner_text()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("status").first).to_contain_text("The test went over ops / night to http://127.0.0.1")
    headers, body = receiver.received[-1]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    receiver.status = 500
    page.get_by_role("button", name="Send a test").click()
    refused = page.get_by_role("alert").inner_text()
    assert "answered 500" in refused
    assert "test again" in refused
    for path in ("/alerts", "/alerts/channel?name=ops+%2F+night", "/alerts/log"):
        page.goto(path)
        shown = page.content()
        assert secret not in shown
        assert HIDDEN_PATH not in shown
    page.goto("/alerts")
    assert "8 kinds of 9" in page.inner_text("main")
    page.locator("summary", has_text="Delete").click()
    page.locator("details[open]").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status").first).to_contain_text("is deleted")


def test_a_rule_is_set_and_a_snooze_begun_and_ended(eyes: Eyes) -> None:
    page = eyes.look("/alerts/rules", phone=True, dark=True)
    page.get_by_role("link", name="spare", exact=True).click()
    page.get_by_label("rows are anomalous").fill("3")
    page.get_by_label("of the last").fill("2")
    with eyes.forgiving("400 (Bad Request)"):
        page.get_by_role("button", name="Keep the rule").click()
        assert "3 of 2 rows" in page.get_by_role("alert").inner_text()
    page.get_by_label("of the last").fill("5")
    page.get_by_label("for minutes, at least").fill("15")
    page.get_by_role("button", name="Keep the rule").click()
    row = page.locator("tbody tr.chosen")
    expect(row).to_contain_text("3 of 5 rows, for 15 min")
    page.get_by_role("button", name="Snooze").click()
    expect(row).to_contain_text("until")
    page.get_by_role("button", name="Send them again").click()
    expect(row).to_contain_text("no")


def test_a_maintenance_is_planned_every_week_changed_and_deleted(eyes: Eyes) -> None:
    page = eyes.look("/alerts/maintenance")
    assert "No maintenance is planned" in page.inner_text("main")
    page.get_by_label("Name").fill("wash")
    page.get_by_label("Starts").fill("2026-01-04T22:00")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_label("Comes").select_option("FREQ=WEEKLY")
    page.get_by_label("Sun", exact=True).check()
    page.get_by_role("button", name="Plan it").click()
    row = page.locator("tbody tr", has_text="wash")
    expect(row).to_contain_text("weekly on Sun")
    assert re.search(r"2026-03-15 21:00\s+to 2026-03-16 05:00", row.inner_text())
    row.get_by_role("link", name="wash").click()
    page.get_by_label("Lasts").fill("400000")
    with eyes.forgiving("400 (Bad Request)"):
        page.get_by_role("button", name="Keep the changes").click()
        assert "minutes; 1 to" in page.get_by_role("alert").inner_text()
    page.goto("/alerts/maintenance?name=wash")
    page.get_by_label("Lasts").fill("1.5")
    page.get_by_role("button", name="Keep the changes").click()
    expect(row).to_contain_text("for 1.5 h")
    row.locator("summary", has_text="Delete").click()
    row.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status").first).to_contain_text("is deleted")


@pytest.mark.parametrize("recurrence", [None, "FREQ=DAILY", "FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=MO,SU", "FREQ=YEARLY"])
def test_the_form_of_a_maintenance_says_what_there_is(recurrence: str | None) -> None:
    window = Maintenance("wash", datetime(2026, 1, 4, 22), 90, "Europe/Berlin", recurrence)  # noqa: DTZ001  # On a wall.
    fields = maintenance_form.fields_of(window, None)
    days = [("day", day) for day in fields["days"].split()]
    assert maintenance_form.read(QueryParams([*fields.items(), *days]), "wash") == window


@pytest.mark.parametrize(("field", "value"), [("start", "soon"), ("hours", "nan"), ("hours", "inf"), ("hours", "")])
def test_a_time_that_is_none_is_named(field: str, value: str) -> None:
    fields = {**maintenance_form.begun(datetime(2026, 1, 1)), field: value}  # noqa: DTZ001  # On a wall.
    with pytest.raises(ValidationException, match=r"The start must be|The length must be"):
        maintenance_form.read(QueryParams(fields), "wash")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with console(tmp_path_factory.mktemp("alerts"), with_keys=True) as served:
        yield served


MAIL = {
    "name": "mail",
    "host": "mail.plant",
    "security": "tls",
    "user": "us",
    "sender": "us@plant",
    "to": "you@plant",
    "alert": "event_started",
    "per_hour": "60",
}


def test_a_password_is_kept_where_it_goes_and_never_goes_to_another_server(locked: Served) -> None:
    assert locked.full
    place = Place(locked.database, locked.full.account, "us-east-1")
    client = locked.signed_in(locked.full)
    csrf = token(client.get("/new/channel?kind=email").text)
    send = partial(client.post, "/alerts/channel?name=mail")
    made = client.post("/new/channel?kind=email", data={**MAIL, "csrf": csrf, "password": "s3cret"})
    assert made.headers["location"] == "/alerts"
    assert send(data={**MAIL, "csrf": csrf, "to": "them@plant"}).status_code == 303
    kept = channel_set(place, "mail")
    assert (kept.configuration["to"], kept.has_secrets) == ("them@plant", {"password"})
    moved = send(data={**MAIL, "csrf": csrf, "host": "mail.evil"})
    assert moved.status_code == 400
    assert "host is another one now, so give its password again" in moved.text
    assert channel_set(place, "mail").configuration["host"] == "mail.plant"
    assert send(data={**MAIL, "csrf": csrf, "host": "mail.new", "password": "s3cret"}).status_code == 303


def test_a_page_sets_no_secret_that_names_something_of_the_machine(locked: Served) -> None:
    assert locked.full
    client = locked.signed_in(locked.full)
    csrf = token(client.get("/new/channel").text)
    form = {"csrf": csrf, "alert": "event_started", "per_hour": "60", "name": "x"}
    for options in ({"url": "file:/etc/passwd"}, {"url": "https://a.plant/", "secret": "env:HOME"}):
        refused = client.post("/new/channel", data={**form, **options})
        assert refused.status_code == 400
        assert "only the command line sets those" in refused.text
    assert "/etc/passwd" not in client.get("/alerts").text


def test_a_channel_of_the_command_line_keeps_its_reference_and_another_account_sees_none(locked: Served) -> None:
    assert locked.full
    place = Place(locked.database, locked.full.account, "us-east-1")
    of_machine = {"url": "env:OPS_URL", "secret": "env:OPS_SECRET"}
    put_channel(place, "ops", "webhook", of_machine, datetime.now().astimezone())
    put_channel(
        Place(locked.database, "222222222222", "us-east-1"), "other", "webhook", of_machine, datetime.now().astimezone()
    )
    client = locked.signed_in(locked.full)
    shown = client.get("/alerts").text
    assert "ops" in shown
    assert "other" not in shown
    csrf = token(shown)
    form = {"csrf": csrf, "alert": "event_started", "per_hour": "7"}
    assert client.post("/alerts/channel?name=ops", data=form).status_code == 303
    assert channel_set(place, "ops").has_secrets == {"url", "secret"}
    for path, name in (("/alerts/channel/test", "other"), ("/alerts/channel/delete", "other")):
        assert client.post(path, data={"csrf": csrf, "name": name}).status_code == 404


def test_a_read_only_key_sets_nothing(locked: Served) -> None:
    client = locked.signed_in(locked.looking)
    csrf = token(client.get("/new/channel").text)
    posts = {
        "/new/channel": {"name": "y", "url": "https://a.plant/", "alert": "event_started", "per_hour": "60"},
        "/alerts/channel/test": {"name": "y"},
        "/alerts/channel/delete": {"name": "y"},
        "/alerts/maintenance": {"name": "y", "start": "2026-01-01T00:00", "hours": "1", "zone": "UTC"},
        "/alerts/maintenance/delete": {"name": "y"},
    }
    for path, form in posts.items():
        refused = client.post(path, data={"csrf": csrf, **form})
        assert refused.status_code == 400
        assert "is read-only and may not change alerts" in refused.text
