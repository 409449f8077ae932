"""`openlookout alerts` as people call it, and the file that says all of it at once."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from alerts.conftest import NOW, OF, SECRET, Receiver
from openlookout.alerts.channel_settings import channels
from openlookout.alerts.file import apply_file
from openlookout.alerts.place import Place, Refused
from openlookout.alerts.rule_settings import RuleView, maintenances, rule_of
from openlookout.cli_alerts import alerts
from openlookout.store.audit import records, verify_database
from openlookout.store.database import Database
from openlookout.store.tables import dataset, model


@pytest.fixture
def data(tmp_path: Path) -> Path:
    database = Database(f"sqlite:///{tmp_path / 'openlookout.db'}")
    database.migrate()
    made = {**OF, "created_at": NOW, "updated_at": NOW}
    with database.writing() as connection:
        row = {"id": "d", "name": "d", "status": "ACTIVE", "schema_given": False}
        connection.execute(dataset.insert(), row | made)
        connection.execute(model.insert(), {"id": "m", "name": "pump", "dataset_id": "d", "status": "SUCCESS", **made})
    database.close()
    return tmp_path


def run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(alerts, [*arguments, "--data", str(data)])


def place(data: Path) -> Place:
    return Place(Database(f"sqlite:///{data / 'openlookout.db'}"), **OF)


def test_a_channel_is_made_with_a_secret_that_is_shown_once(data: Path, receiver: Receiver) -> None:
    made = run(data, "channel", "set", "ops", "--kind", "webhook", "--option", f"url={receiver.url}")
    assert made.stdout.startswith("secret=whsec_")
    secret = made.stdout.removeprefix("secret=").strip()
    listed = run(data, "channel", "list").stdout
    assert listed == f"ops  webhook  http://127.0.0.1:{receiver.port}/…  all of all models\n"
    tested = run(data, "test", "ops").stdout
    assert tested == f"Sent a test over ops to http://127.0.0.1:{receiver.port}/…\n"
    assert receiver.messages[0]["kind"] == "test"
    assert secret not in listed + tested
    assert run(data, "channel", "delete", "ops").stdout == "Deleted ops\n"
    assert run(data, "channel", "list").stdout == ""


def test_what_cannot_be_is_said_in_a_sentence_and_ends_with_one(data: Path) -> None:
    for arguments, sentence in [
        (("test", "ops"), "there is no channel 'ops'"),
        (("rule", "fan"), "there is no model 'fan' in account 123456789012, region us-east-1"),
        (("rule", "pump", "--persistence", "6/5"), "6 of 5 rows; at least 1, and at most 1000 are looked at"),
        (("rule", "pump", "--minimum", "soon"), "'soon' is no time span; 90s, 15m, 4h and 2d are"),
        (
            ("channel", "set", "c", "--kind", "pigeon"),
            "channel 'c': 'pigeon' is no kind of channel; there are webhook, email, mqtt",
        ),
    ]:
        answer = run(data, *arguments)
        assert answer.exit_code == 1
        assert answer.stderr.startswith(f"openlookout: {sentence}"), answer.stderr


def test_a_rule_and_a_snooze_are_set_and_shown(data: Path) -> None:
    run(data, "rule", "pump", "--persistence", "3/5", "--minimum", "15m")
    shown = run(data, "rule", "pump", "--silence", "2h").stdout
    assert shown == "pump: 3 of 5 rows anomalous, for at least 900 s; silent after 7200 s\n"
    assert run(data, "snooze", "pump", "--for", "4h").stdout.startswith("pump: snoozed until 20")
    assert run(data, "snooze", "pump", "--for", "0s").stdout == "pump: not snoozed\n"
    assert rule_of(place(data), "pump") == RuleView(3, 5, 900, 7200, None)


def test_a_maintenance_window_shows_its_next_times(data: Path) -> None:
    when = ("--start", "2090-01-01T22:00", "--duration", "8h", "--zone", "Europe/Berlin")
    set_ = run(data, "maintenance", "set", "wash", *when, "--recurrence", "FREQ=WEEKLY;COUNT=2").stdout
    assert set_ == "wash: 2090-01-01T21:00Z to 2090-01-02T05:00Z\nwash: 2090-01-08T21:00Z to 2090-01-09T05:00Z\n"
    listed = run(data, "maintenance", "list").stdout
    assert listed.startswith("wash  all models  2090-01-01T21:00Z to 2090-01-02T05:00Z  Europe/Berlin  FREQ=WEEKLY")
    assert run(data, "maintenance", "delete", "wash").stdout == "Deleted wash\n"


def test_a_file_is_applied_as_a_whole_or_not_at_all(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    text = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text().split("```yaml\n")[1].split("```")[0]
    file.write_text(text.replace("rules:\n  pump:", "rules:\n  fan:"))
    at = place(data)
    with pytest.raises(Refused, match=r"alerts.yaml, rules, 'fan': there is no model 'fan' in account"):
        apply_file(at, file, NOW)
    assert channels(at) == []
    file.write_text(text)
    for _ in range(2):
        assert apply_file(at, file, NOW) == ["channels: ops", "rules: pump", "maintenance: wash"]
    (channel,) = channels(at)
    assert (channel.where, channel.kinds, channel.models) == ("env:OPS_URL", ["event_started", "event_ended"], ["pump"])
    assert rule_of(at, "pump") == RuleView(3, 5, 900, 7200, None)
    assert [(window.name, name) for window, name in maintenances(at)] == [("wash", "pump")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("channels: {ops: {kind: [", "alerts.yaml is no YAML: line 1"),
        ("- 1", "alerts.yaml has the sections channels, rules, maintenance, in each of them names"),
        ("chanels: {}", "there is no section 'chanels'; there are channels, rules, maintenance"),
        ("channels: {ops: {url: x}}", "channels, 'ops': there is no 'url'; there are kind, alerts, models, per_hour"),
        ("channels: {ops: {options: {}}}", "channels, 'ops': 'kind' is missing"),
        (
            "maintenance: {w: {start: soon, duration: 1h, zone: UTC}}",
            "maintenance, 'w': Invalid isoformat string: 'soon'",
        ),
    ],
)
def test_a_file_that_cannot_be_is_refused_with_its_name_and_place(data: Path, text: str, sentence: str) -> None:
    file = data / "alerts.yaml"
    file.write_text(text)
    with pytest.raises(Refused) as refused:
        apply_file(place(data), file, NOW)
    assert sentence in str(refused.value)


def test_every_change_leaves_a_record_without_a_secret_and_a_refusal_none(data: Path, tmp_path: Path) -> None:
    when = ("--start", "2090-01-01T22:00", "--duration", "8h", "--zone", "Europe/Berlin")
    file = tmp_path / "alerts.yaml"
    options = f"{{url: 'http://h/1', secret: '{SECRET}'}}"
    file.write_text(f"rules: {{pump: {{minimum: 15m}}}}\nchannels: {{ops: {{kind: webhook, options: {options}}}}}\n")
    for arguments in (
        ("channel", "set", "ops", "--kind", "webhook", "--option", "url=http://h/1", "--option", f"secret={SECRET}"),
        ("rule", "pump", "--persistence", "3/5"),
        ("rule", "fan", "--persistence", "3/5"),
        ("rule", "pump"),
        ("snooze", "pump", "--for", "4h"),
        ("maintenance", "set", "wash", *when),
        ("maintenance", "delete", "wash"),
        ("maintenance", "delete", "wash"),
        ("apply", str(file)),
        ("channel", "delete", "ops"),
    ):
        run(data, *arguments)
    database = place(data).database
    found = list(records(database))
    assert [(record.operation, record.resource.rpartition(":")[2]) for record in found if record.resource] == [
        ("PutAlertChannel", "alert-channel/ops"),
        ("PutAlertRule", "model/pump"),
        ("SnoozeAlerts", "model/pump"),
        ("PutMaintenance", "maintenance/wash"),
        ("DeleteMaintenance", "maintenance/wash"),
        ("PutAlertRule", "model/pump"),
        ("PutAlertChannel", "alert-channel/ops"),
        ("DeleteAlertChannel", "alert-channel/ops"),
    ]
    assert {record.principal for record in found} == {"local"}
    assert found[5].request_id == found[6].request_id != found[4].request_id
    assert found[0].request["secrets"] == ["secret", "url"]
    assert SECRET not in "".join(record.line() for record in found)
    assert verify_database(database, None)[0] == len(found)
