"""What is told of executions, silences and versions, on both databases; every message keeps to the schema."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from alerts.conftest import NOW, OF, STEP, Plant, Receiver, add_event
from openlookout.alerts.kinds import KINDS
from openlookout.alerts.maintenance import Maintenance
from openlookout.alerts.notes import note_failed, note_promoted, note_replayed, note_scored, note_version
from openlookout.alerts.rule_settings import RuleView, put_maintenance, set_rule, snooze
from openlookout.alerts.silence import tell_silences
from openlookout.alerts.words import _TEXTS, _TITLES
from openlookout.api.instants import to_microseconds
from openlookout.store.alert_tables import alert
from openlookout.store.model_versions import activate
from openlookout.store.score_tables import keep_scores
from openlookout.store.tables import (
    inference_execution,
    label,
    label_group,
    model,
    model_version,
)

HOUR, LATE = timedelta(hours=1), timedelta(hours=24)


def told(plant: Plant) -> list[str]:
    with plant.database.reading() as connection:
        return list(connection.execute(select(alert.c.kind).order_by(alert.c.id)).scalars())


def fail(plant: Plant, end: datetime) -> None:
    execution = plant.execution(end, "FAILED")
    with plant.database.writing() as connection:
        note_failed(connection, execution, "Could not find data file for sensor pump.", plant.clock.now())


def test_an_event_is_told_at_its_start_and_at_its_end_and_no_row_twice(plant: Plant, receiver: Receiver) -> None:
    plant.add_channel(receiver.url)
    plant.score(NOW, 0, 1, 1)
    plant.score(NOW + 3 * STEP, 1, 1, 1)
    assert told(plant) == ["event_started"]
    plant.clock.advance(HOUR)
    plant.score(NOW + 6 * STEP, 1, 0, 0)
    assert told(plant) == ["event_started", "event_ended"]
    plant.deliver()
    started, ended = receiver.messages
    assert started["title"] == "pump: anomaly since 2026-01-05 11:50 UTC, led by pump\\flow"
    assert (started["event"]["ended_at"], started["event"]["sensors"][0]["contribution"]) == (None, 0.7)
    assert ended["title"] == "pump: anomaly over after 30 min, led by pump\\flow"
    assert ended["event"]["duration_seconds"] == 1800
    assert ended["event"]["started_at"] == started["event"]["started_at"] == "2026-01-05T11:50:00.000Z"
    assert started["link"] == f"http://console.plant:8580/models/pump/events/{started['event']['id']}"


def test_rows_that_were_looked_at_before_tell_nothing(plant: Plant) -> None:
    plant.score(NOW, 0, 0)
    with plant.database.writing() as connection:
        execution = connection.execute(select(inference_execution)).one()
        note_scored(connection, execution, [(to_microseconds(NOW), 0.9, True)], NOW)
    assert told(plant) == []


def test_rows_whose_files_were_late_are_told_when_a_replay_has_scored_them_and_history_is_not(plant: Plant) -> None:
    def replay(end: datetime, *flags: int) -> None:
        execution = plant.execution(end)
        rows = [(to_microseconds(end - STEP * (len(flags) - 1 - i)), 0.9, bool(flag)) for i, flag in enumerate(flags)]
        with plant.database.writing() as connection:
            keep_scores(connection, [(execution.id, end, rows)])
            note_replayed(connection, "s", plant.clock.now(), LATE)

    replay(NOW - HOUR, 1)
    assert told(plant) == []
    fail(plant, NOW + STEP / 2)
    replay(NOW + STEP, 0, 1)
    assert told(plant) == ["execution_failed", "event_started"]
    plant.score(NOW + 3 * STEP, 0, 0)
    assert told(plant) == ["execution_failed", "event_started", "event_ended", "execution_recovered"]


def test_an_anomaly_in_rows_before_the_last_ones_is_told_once_as_late(plant: Plant, receiver: Receiver) -> None:
    def rescore(end: datetime, *flags: int) -> None:
        """What a replay leaves: rows, events, and what is told of them."""
        execution = plant.execution(end)
        times = [end - STEP * (len(flags) - 1 - i) for i in range(len(flags))]
        rows = [(to_microseconds(at), 0.9, bool(flag)) for at, flag in zip(times, flags, strict=True)]
        with plant.database.writing() as connection:
            keep_scores(connection, [(execution.id, end, rows)])
            for at, flag in zip(times, flags, strict=True):
                if flag:
                    add_event(connection, "s", at - STEP, at, {"pump\\flow": 1.0})
            note_replayed(connection, "s", plant.clock.now(), LATE)

    def keep(end: datetime, *flags: int) -> None:
        plant.score(end, *flags)
        rows = [(to_microseconds(end - STEP * (len(flags) - 1 - i)), 0.9, bool(f)) for i, f in enumerate(flags)]
        with plant.database.writing() as connection:
            keep_scores(connection, [(f"s{end:%Y%m%d%H%M%S}", end, rows)])

    plant.add_channel(receiver.url)
    plant.clock.set(NOW + 3 * HOUR)
    keep(NOW + HOUR, 0, 1, 1)
    keep(NOW + 2 * HOUR, 0, 0)
    assert told(plant) == ["event_started", "event_ended"]
    rescore(NOW + HOUR + 6 * STEP, 0, 1, 1, 0)
    rescore(NOW + HOUR + 8 * STEP, 0)
    assert told(plant) == ["event_started", "event_ended"] * 2, "what was told stays told, what was not is told once"
    rescore(NOW - LATE + HOUR, 1, 0)
    rescore(NOW - 3 * LATE, 1, 0)
    assert len(told(plant)) == 4, "what is older than late files count, or than the scheduler, is history"
    plant.deliver()
    started, ended = receiver.messages[2:]
    assert started["title"] == "pump: anomaly since 2026-01-05 13:15 UTC, in data that came late, led by pump\\flow"
    assert started["text"].startswith(
        "Found in data that came late: it was from 2026-01-05 13:15 UTC to 2026-01-05 13:20 UTC."
    )
    assert (started["event"]["late"], ended["event"]["late"]) == (True, True)
    assert receiver.messages[0]["event"]["late"] is False


def test_an_alarm_in_late_rows_that_goes_on_is_ended_by_the_rows_after_them(plant: Plant) -> None:
    end = NOW + 2 * STEP
    plant.score(end, 0)
    execution = plant.execution(NOW + STEP)
    rows = [(to_microseconds(at), 0.9, True) for at in (NOW + STEP, end)]
    with plant.database.writing() as connection:
        keep_scores(connection, [(execution.id, end, rows)])
        for _ in range(2):
            note_replayed(connection, "s", plant.clock.now(), LATE)
    assert told(plant) == ["event_started"]
    plant.score(end + STEP, 0)
    assert told(plant) == ["event_started", "event_ended"]


def test_persistence_and_minimum_duration_are_a_models_own(plant: Plant) -> None:
    set_rule(plant.place, "pump", RuleView(rows_anomalous=2, rows_looked_at=3, seconds_min=900))
    plant.score(NOW, 1, 0, 0, 0, 1, 1)
    assert told(plant) == []
    plant.score(NOW + STEP, 1)
    assert told(plant) == []
    plant.score(NOW + 2 * STEP, 1)
    assert told(plant) == ["event_started"]


def test_only_the_first_failed_execution_in_a_row_is_told_and_then_the_recovery(
    plant: Plant, receiver: Receiver
) -> None:
    plant.add_channel(receiver.url)
    for number in range(3):
        fail(plant, NOW + number * STEP)
    assert told(plant) == ["execution_failed"]
    plant.clock.advance(HOUR)
    plant.score(NOW + 3 * STEP, 0)
    assert told(plant) == ["execution_failed", "execution_recovered"]
    plant.deliver()
    failed = receiver.messages[0]
    assert failed["title"] == "pump: an execution failed"
    assert failed["execution"]["reason"] == "Could not find data file for sensor pump."


def test_silence_is_told_once_and_so_is_its_end(plant: Plant, receiver: Receiver) -> None:
    plant.add_channel(receiver.url)
    plant.score(NOW, 0)
    plant.clock.set(NOW + 3 * STEP)
    assert tell_silences(plant.database, plant.clock) == 0
    plant.clock.advance(timedelta(seconds=1))
    assert [tell_silences(plant.database, plant.clock) for _ in range(2)] == [1, 0]
    plant.clock.advance(HOUR)
    plant.score(NOW + HOUR, 0)
    assert told(plant) == ["data_silent", "data_returned"]
    plant.deliver()
    assert receiver.messages[0]["text"] == "The last scored row is of 2026-01-05T12:00:00Z; the limit is 15 min."


def test_a_scheduler_that_never_had_a_row_becomes_silent_too(plant: Plant) -> None:
    plant.clock.advance(HOUR)
    assert tell_silences(plant.database, plant.clock) == 1
    assert told(plant) == ["data_silent"]


def test_executions_that_are_still_worked_off_are_no_silence(plant: Plant) -> None:
    plant.execution(NOW, "IN_PROGRESS")
    plant.clock.advance(HOUR)
    assert tell_silences(plant.database, plant.clock) == 0


def test_in_a_maintenance_window_nothing_is_told_of_the_machine_and_after_it_what_goes_on(plant: Plant) -> None:
    window = Maintenance(
        "wash", datetime.fromisoformat("2026-01-05T12:00"), 60, "Europe/Berlin", "FREQ=WEEKLY"
    )  # 11:00 to 12:00 UTC.
    put_maintenance(plant.place, window, "pump")
    put_maintenance(plant.place, Maintenance("other", datetime.fromisoformat("2026-01-01"), 60, "UTC"), None)
    plant.clock.set(NOW - STEP)
    plant.score(NOW - STEP, 1, 1)
    fail(plant, NOW - STEP / 2)
    tell_silences(plant.database, plant.clock)
    assert told(plant) == []
    plant.clock.set(NOW)
    plant.score(NOW, 1)
    assert told(plant) == ["event_started"]


def test_a_snooze_holds_back_what_is_told_until_it_ends(plant: Plant) -> None:
    snooze(plant.place, "pump", NOW + HOUR)
    plant.score(NOW, 1)
    fail(plant, NOW + STEP)
    assert told(plant) == []
    plant.clock.set(NOW + HOUR)
    plant.score(NOW + 2 * STEP, 1)
    assert told(plant) == ["event_started"]


def add_version(plant: Plant, number: int, **more: Any) -> None:
    row = {"model_id": "m", "version": number, "created_at": NOW + number * HOUR, "updated_at": NOW, "attempt": 1}
    row |= {"status": "SUCCESS", "source_type": "RETRAINING", "configuration": {}, "data_schema": ""}
    with plant.database.writing() as connection:
        connection.execute(model_version.insert(), row | more)


def test_trainings_and_promotions_are_told_and_imports_are_not(plant: Plant, receiver: Receiver) -> None:
    plant.add_channel(receiver.url)
    add_version(
        plant, 2, promotion_result="MODEL_PROMOTED", promotion_reason="Better.", quality="POOR_QUALITY_DETECTED"
    )
    add_version(plant, 3, status="FAILED", failed_reason="120 rows of readings, 500 are needed")
    add_version(plant, 4, source_type="IMPORT")
    with plant.database.writing() as connection:
        for number in (2, 3, 4, 2):
            note_version(connection, "m", number, NOW)
        assert activate(connection, "m", 2, NOW, replacing=True)
        note_promoted(connection, "m", NOW, by_hand=False)
    plant.deliver()
    titles = {message["title"]: message["text"] for message in receiver.messages}
    assert titles == {
        "pump: version 2 is trained": "Quality: POOR_QUALITY_DETECTED. MODEL_PROMOTED: Better.",
        "pump: the training of version 3 failed": "120 rows of readings, 500 are needed",
        "pump: version 2 is active": "It replaces version 1, by retraining.",
    }


def test_an_alert_is_of_the_transaction_that_makes_it_true(plant: Plant) -> None:
    def work() -> None:
        with plant.database.writing() as connection:
            note_version(connection, "m", 1, NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert told(plant) == []


def test_a_card_has_the_evidence_and_the_three_most_similar_past_events_with_verdicts(
    plant: Plant, receiver: Receiver
) -> None:
    plant.add_channel(receiver.url)
    metrics = (
        '{"predicted_ranges": [{"start": "2025-11-01T00:00:00.000000", "end": "2025-11-01T01:00:00.000000",'
        ' "diagnostics": [{"name": "pump\\\\flow", "value": 0.6}, {"name": "pump\\\\speed", "value": 0.4}]}]}'
    )
    day = timedelta(days=1)
    with plant.database.writing() as connection:
        group = {"id": "g", "name": "g", "fault_codes": [], "created_at": NOW, "updated_at": NOW}
        connection.execute(label_group.insert(), {**group, **OF})
        connection.execute(update(model).values(label_group_id="g"))
        connection.execute(update(model_version).values(metrics=metrics))
        said = {"group_id": "g", "id": "l", "created_at": NOW, "rating": "ANOMALY", "fault_code": "seal"}
        connection.execute(label.insert(), {**said, "started_at": NOW - 3 * day, "ended_at": NOW - 2 * day - HOUR})
        for days, flow in ((1, 0.1), (2, 0.65), (3, 0.71), (4, 0.9)):
            shares = {"pump\\flow": flow, "pump\\speed": 1 - flow}
            add_event(connection, "s", NOW - days * day, NOW - days * day + HOUR, shares)
    sensor = {"sensor": "pump\\flow", "contribution": 0.7, "onset": "2026-01-05T11:55:00Z", "measured": 3.25}
    evidence = {
        "kind": "machine",
        "reason": "The flow is too high for this speed.",
        "onset_order": ["pump\\flow", "pump\\speed"],
        "sensors": [{**sensor, "expected": 1.5, "low": 1.0, "high": 2.0}],
    }
    plant.score(NOW, 1, evidence=evidence)
    plant.deliver()
    (message,) = receiver.messages
    similar = [(past["source"], past["started_at"][:10], past["verdict"]) for past in message["similar"]]
    verdict = {"rating": "ANOMALY", "fault_code": "seal", "notes": None}
    assert similar == [
        ("live", "2026-01-02", verdict),
        ("live", "2026-01-03", None),
        ("evaluation", "2025-11-01", None),
    ]
    assert [past["similarity"] for past in message["similar"]] == [1.0, 0.996, 0.983]
    assert "Similar (100%): 2026-01-02 12:00 UTC, seal" in message["text"]
    assert {name: message["event"][name] for name in evidence} == evidence
    assert message["text"].splitlines()[:3] == [
        "The flow is too high for this speed.",
        "pump\\flow (70%): measured 3.25, expected 1.5 (1 to 2)",
        "Deviated in this order: pump\\flow, pump\\speed",
    ]


def test_a_card_without_a_diagnosis_has_the_shares_of_the_sensors(plant: Plant, receiver: Receiver) -> None:
    plant.add_channel(receiver.url)
    plant.score(NOW, 1)
    plant.deliver()
    event = receiver.messages[0]["event"]
    assert (event["kind"], event["onset_order"]) == (None, [])
    assert [(found["sensor"], found["contribution"], found["measured"]) for found in event["sensors"]] == [
        ("pump\\flow", 0.7, None),
        ("pump\\speed", 0.3, None),
    ]


def test_every_kind_of_alert_has_words() -> None:
    assert set(_TITLES) == set(_TEXTS) == set(KINDS)
