"""Delivery over a real HTTP server: at least once, in order, with pauses, bounds and one message for many; no secrets."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from alerts.conftest import NOW, SECRET, STEP, Plant, Receiver
from openlookout.alerts.channel_settings import channels, delete_channel, put_channel, send_test
from openlookout.alerts.delivery import CLAIM, KEPT_FOR, PAUSE_MAX, TRIED_FOR, Delivery, forget_old, pause
from openlookout.alerts.log import alert_log
from openlookout.alerts.place import Refused
from openlookout.store.alert_tables import alert, alert_channel, alert_delivery

HOUR = timedelta(hours=1)


def start_and_end(plant: Plant, after: timedelta = timedelta()) -> None:
    plant.score(NOW + after + STEP, 1)
    plant.clock.advance(timedelta(seconds=1))
    plant.score(NOW + after + 2 * STEP, 0)


def ends(plant: Plant) -> list[tuple[str, str, int]]:
    log = alert_log(plant.place)
    return [(found.kind, end.state, end.attempts) for found in reversed(log) for end in found.deliveries]


def test_a_message_is_signed_over_id_time_and_body(plant: Plant, receiver: Receiver) -> None:
    plant.add_channel(receiver.url)
    plant.score(NOW, 1)
    plant.deliver()
    (received,) = receiver.received
    headers = received.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + received.body
    digest = hmac.new(b"secret of the plant", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    assert headers["webhook-id"] == received.message["id"]
    assert headers["content-type"] == "application/json"


def test_a_server_that_is_away_loses_nothing_and_gets_everything_in_order(plant: Plant) -> None:
    receiver = Receiver()
    with receiver.up():
        plant.add_channel(receiver.url)
        plant.score(NOW, 0)
    start_and_end(plant)
    plant.deliver()
    assert receiver.received == []
    assert ends(plant) == [("event_started", "PENDING", 1), ("event_ended", "PENDING", 0)]
    with receiver.up():
        plant.deliver()
        assert receiver.received == []  # The pause goes on.
        plant.clock.advance(pause(1))
        plant.deliver()
    assert [message["kind"] for message in receiver.messages] == ["event_started", "event_ended"]
    assert ends(plant) == [("event_started", "DELIVERED", 2), ("event_ended", "DELIVERED", 1)]


def test_a_message_that_is_not_taken_holds_up_those_of_its_model(plant: Plant, receiver: Receiver) -> None:
    plant.add_channel(receiver.url)
    receiver.answers = [400]
    start_and_end(plant)
    plant.deliver()
    assert ends(plant) == [("event_started", "PENDING", 1), ("event_ended", "PENDING", 0)]
    plant.deliver()
    assert receiver.received == []
    plant.clock.advance(pause(1))
    plant.deliver()
    assert [message["kind"] for message in receiver.messages] == ["event_started", "event_ended"]


def test_the_same_alert_goes_out_with_the_same_id_and_body_after_a_crash(plant: Plant, receiver: Receiver) -> None:
    """The process died after the message was taken, before that was written down."""
    plant.add_channel(receiver.url)
    plant.score(NOW, 1)
    plant.deliver()
    with plant.database.writing() as connection:
        connection.execute(update(alert_delivery).values(state="PENDING"))
        connection.execute(update(alert_channel).values(claimed_until=plant.clock.now() + timedelta(seconds=60)))
    plant.deliver()
    assert len(receiver.received) == 1  # The dead process still has its claim.
    plant.clock.advance(timedelta(seconds=61))
    plant.deliver()
    first, second = receiver.received
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])


def test_two_processes_send_an_alert_once(plant: Plant, receiver: Receiver) -> None:
    plant.add_channel(receiver.url)
    start_and_end(plant)
    other = Delivery(plant.database, plant.clock, "")
    for delivery in (plant.delivery, other):
        delivery.round()
    for delivery in (plant.delivery, other):
        delivery.finish()
    other.close()
    assert [message["kind"] for message in receiver.messages] == ["event_started", "event_ended"]


def test_a_slow_channel_stays_with_the_process_that_serves_it(plant: Plant, receiver: Receiver) -> None:
    plant.add_channel(receiver.url)
    start_and_end(plant)
    start_and_end(plant, HOUR)
    other = Delivery(plant.database, plant.clock, "")

    def slow() -> None:
        plant.clock.advance(CLAIM * 0.7)
        other.round()
        other.finish()

    receiver.meanwhile = slow
    plant.deliver()
    other.close()
    assert [message["kind"] for message in receiver.messages] == ["event_started", "event_ended"] * 2


def test_more_than_the_allowance_comes_in_one_message(plant: Plant, receiver: Receiver) -> None:
    plant.add_channel(receiver.url, per_hour=3)
    for number in range(5):
        start_and_end(plant, number * HOUR)
    plant.deliver()
    kinds = [message["kind"] for message in receiver.messages]
    assert kinds == ["event_started", "event_ended", "digest"]
    digest = receiver.messages[-1]
    assert [found["kind"] for found in digest["alerts"]] == ["event_started", "event_ended"] * 4
    assert {end[1] for end in ends(plant)} == {"DELIVERED"}
    start_and_end(plant, 10 * HOUR)
    plant.deliver()
    assert len(receiver.received) == 3  # Nothing is left of this hour.
    plant.clock.advance(HOUR)
    plant.deliver()
    assert [message["kind"] for message in receiver.messages[3:]] == ["event_started", "event_ended"]


def test_what_nobody_takes_for_days_is_failed_and_says_why(plant: Plant) -> None:
    receiver = Receiver()
    with receiver.up():
        plant.add_channel(receiver.url)
    start_and_end(plant)
    plant.deliver()
    plant.clock.advance(TRIED_FOR)
    plant.deliver()
    assert [end[1] for end in ends(plant)] == ["FAILED", "FAILED"]
    errors = {end.last_error for found in alert_log(plant.place) for end in found.deliveries}
    assert f"http://127.0.0.1:{receiver.port}/… does not answer: NewConnectionError" in errors


def test_pauses_grow_up_to_a_bound() -> None:
    assert [pause(n).total_seconds() for n in (1, 2, 3, 4)] == [5, 10, 20, 40]
    assert pause(10_000) == PAUSE_MAX


def test_a_server_that_asks_for_time_gets_it(plant: Plant, receiver: Receiver) -> None:
    plant.add_channel(receiver.url)
    receiver.answers, receiver.headers = [503], {"retry-after": "120"}
    plant.score(NOW, 1)
    plant.deliver()
    plant.clock.advance(timedelta(seconds=119))
    plant.deliver()
    assert receiver.received == []
    plant.clock.advance(timedelta(seconds=1))
    plant.deliver()
    assert len(receiver.received) == 1


def test_channels_get_the_kinds_and_models_that_they_want(plant: Plant, receiver: Receiver) -> None:
    plant.add_channel(receiver.url, "ends", kinds=["event_ended"])
    plant.add_channel(receiver.url, "another", models=["fan"])
    start_and_end(plant)
    plant.deliver()
    assert [message["kind"] for message in receiver.messages] == ["event_ended"]


def test_no_secret_is_shown_or_logged(
    plant: Plant, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver()
    with receiver.up():
        plant.add_channel(receiver.url)
    plant.score(NOW, 1)
    plant.deliver()
    with pytest.raises(Refused) as refused:
        send_test(plant.place, "ops", plant.clock.now(), "")
    with plant.database.reading() as connection:
        shown = connection.execute(select(alert_channel.c.configuration)).scalar_one()
    said = f"{channels(plant.place)}{alert_log(plant.place)}{refused.value}{capfd.readouterr()}{caplog.text}{shown}"
    assert "does not answer" in caplog.text
    assert "s3cret-path" not in said
    assert SECRET not in said


def test_a_test_says_where_it_went(plant: Plant, receiver: Receiver) -> None:
    plant.add_channel(receiver.url)
    assert send_test(plant.place, "ops", plant.clock.now(), "http://c") == f"http://127.0.0.1:{receiver.port}/…"
    assert receiver.messages[0]["kind"] == "test"
    receiver.answers = [410]
    with pytest.raises(Refused, match=r"channel 'ops': http://127.0.0.1:\d+/… answered 410"):
        send_test(plant.place, "ops", plant.clock.now(), "")


def test_secrets_may_be_in_the_environment_and_in_files(
    plant: Plant, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"url": "env:OPS_URL", "secret": f"file:{tmp_path / 'secret'}"}
    put_channel(plant.place, "ops", "webhook", options, NOW)
    with pytest.raises(Refused, match="the environment variable OPS_URL of a secret is not set"):
        send_test(plant.place, "ops", NOW, "")
    monkeypatch.setenv("OPS_URL", receiver.url)
    with pytest.raises(Refused, match="secret of a secret cannot be read"):
        send_test(plant.place, "ops", NOW, "")
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    send_test(plant.place, "ops", NOW, "")
    assert len(receiver.received) == 1


def test_deleting_a_channel_ends_what_waits_for_it(plant: Plant, receiver: Receiver) -> None:
    plant.add_channel(receiver.url)
    plant.score(NOW, 1)
    delete_channel(plant.place, "ops")
    plant.deliver()
    assert receiver.received == []
    assert ends(plant) == []


def test_old_alerts_are_forgotten_unless_they_are_pending(plant: Plant, receiver: Receiver) -> None:
    plant.add_channel(receiver.url)
    plant.score(NOW, 1)
    plant.clock.advance(KEPT_FOR + STEP)
    assert forget_old(plant.database, plant.clock) == 0
    plant.deliver()
    assert forget_old(plant.database, plant.clock) == 1
    with plant.database.reading() as connection:
        assert connection.execute(select(alert)).all() == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"url": "ftp://x", "secret": "s"}, "channel 'c': the url of a webhook begins with https:// or http://"),
        ({"url": "http://x"}, "channel 'c': a channel of kind webhook needs 'secret'"),
        ({"url": "http://x", "secret": "whsec_?"}, "channel 'c': the secret begins with whsec_ and is no base64"),
        ({"url": "http://x", "secret": "s", "x": "y"}, "channel 'c': a channel of kind webhook has no 'x'; it has url"),
    ],
)
def test_a_channel_that_cannot_be_is_refused_in_a_sentence(
    plant: Plant, options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(Refused) as refused:
        put_channel(plant.place, "c", "webhook", options, NOW)
    assert str(refused.value).startswith(sentence)


def test_the_schema_is_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
    schema = json.loads((Path(__file__).parents[2] / "src/openlookout/alerts/schema.json").read_text())
    for member in (
        *schema["properties"],
        *schema["$defs"]["event"]["properties"],
        *schema["properties"]["kind"]["enum"],
    ):
        assert f"`{member}`" in text, member
