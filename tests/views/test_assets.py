"""Assets as one look shows them, on both databases: each state has its sentence, and the worst comes first."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from openlookout.api.caller import Caller
from openlookout.console.ports import STATES, Asset
from openlookout.store.alert_tables import scheduler_alarm
from openlookout.store.tables import inference_event, inference_execution, inference_scheduler, model
from openlookout.views.assets import SPARK_BUCKETS, assets, sparks
from operations.rows import NOW, add_dataset, add_model
from served import REGION, Api

HOUR = timedelta(hours=1)


def caller() -> Caller:
    """An account of its own, so that no other test's rows are in it."""
    return Caller(f"{uuid.uuid4().int % 10**12:012}", REGION, "request")


def watch(api: Api, name: str, **more: Any) -> str:
    """Put a scheduler for a model where CreateInferenceScheduler would; give its id."""
    identity = str(uuid.uuid4())
    with api.database.writing() as connection:
        of = connection.execute(model.select().where(model.c.name == name)).one()
        row = {
            "id": identity,
            "account": of.account,
            "region": of.region,
            "name": f"{name}-live",
            "model_id": of.id,
            "status": "RUNNING",
            "frequency": "PT1H",
            "input": {},
            "output": {},
            "role_arn": "",
            "created_at": NOW,
            "updated_at": NOW,
            "latest_result": "NORMAL",
            **more,
        }
        connection.execute(inference_scheduler.insert(), row)
    return identity


def execute(api: Api, scheduler: str, end: datetime, status: str = "SUCCESS", **more: Any) -> None:
    row = {
        "id": uuid.uuid4().hex,
        "scheduler_id": scheduler,
        "due_at": end,
        "data_start": end - HOUR,
        "data_end": end,
        "status": status,
        "attempt": 1,
        "input": {},
        "output": {},
        **more,
    }
    with api.database.writing() as connection:
        connection.execute(inference_execution.insert(), row)


def scored(api: Api, scheduler: str, last_at: datetime, **more: Any) -> None:
    row = {"scheduler_id": scheduler, "last_at": last_at, "last_score": 0.1, "recent": [], "is_raised": False, **more}
    with api.database.writing() as connection:
        connection.execute(scheduler_alarm.insert(), row)


def in_state(api: Api, source: str, state: str) -> str:
    """Make an asset that is in a state; give its model."""
    statuses = {"TRAINING": ("IN_PROGRESS",), "FAILED": ("FAILED",)}.get(state, ("SUCCESS",))
    name = add_model(api, source, statuses)
    if state in {"TRAINING", "FAILED", "UNWATCHED"}:
        return name
    options = {"STOPPED": {"status": "STOPPED"}, "ANOMALOUS": {"latest_result": "ANOMALOUS"}}.get(state, {})
    scheduler = watch(api, name, **options)
    if state == "WAITING":
        return name
    if state == "FAILING":
        execute(api, scheduler, NOW, "FAILED", failed_reason="No file.")
    scored(api, scheduler, NOW - (9 * HOUR if state == "SILENT" else HOUR / 2), began_at=NOW - 2 * HOUR)
    return name


def test_every_state_is_told_and_the_worst_comes_first(api: Api) -> None:
    who = caller()
    source = add_dataset(api, account=who.account)
    made = {in_state(api, source, state): state for state in reversed(STATES)}
    found = assets(api.database, who, NOW)
    assert [(one.model, one.state) for one in found] == [
        (name, made[name]) for name in sorted(made, key=lambda name: STATES.index(made[name]))
    ]
    said = {one.state: one for one in found}
    assert said["ANOMALOUS"].since == NOW - 2 * HOUR
    assert said["FAILING"].why == "The last execution failed: No file."
    assert said["NORMAL"].since is None


def one_asset(api: Api, who: Caller, now: datetime = NOW) -> Asset:
    (found,) = assets(api.database, who, now)
    return found


def test_an_execution_under_way_hides_not_that_the_one_before_failed(api: Api) -> None:
    who = caller()
    scheduler = watch(api, add_model(api, add_dataset(api, account=who.account)))
    scored(api, scheduler, NOW)
    execute(api, scheduler, NOW - HOUR, "FAILED", failed_reason="No file.")
    execute(api, scheduler, NOW, "IN_PROGRESS")
    assert one_asset(api, who).state == "FAILING"
    execute(api, scheduler, NOW + HOUR)
    assert one_asset(api, who).state == "NORMAL"


def test_data_is_missed_after_three_upload_frequencies_and_the_delay(api: Api) -> None:
    who = caller()
    scheduler = watch(api, add_model(api, add_dataset(api, account=who.account)), delay_minutes=30)
    scored(api, scheduler, NOW)
    assert one_asset(api, who, NOW + 3.5 * HOUR).state == "NORMAL"
    assert one_asset(api, who, NOW + 3.5 * HOUR + timedelta(seconds=1)).state == "SILENT"


@pytest.mark.parametrize(("hours_ago", "state"), [(0, "NORMAL"), (3, "NORMAL"), (3.1, "WAITING"), (2000, "WAITING")])
def test_after_a_replay_of_history_the_newest_data_are_those_that_it_scored(
    api: Api, hours_ago: float, state: str
) -> None:
    who = caller()
    execute(api, watch(api, add_model(api, add_dataset(api, account=who.account))), NOW - hours_ago * HOUR)
    found = one_asset(api, who)
    assert (found.last_at, found.state) == (NOW - hours_ago * HOUR, state)


def test_events_of_the_last_seven_days_are_counted(api: Api) -> None:
    who = caller()
    scheduler = watch(api, add_model(api, add_dataset(api, account=who.account)))
    for days in (1, 6.9, 7.1, 30):
        start = NOW - timedelta(days=days)
        row = {"id": uuid.uuid4().hex, "scheduler_id": scheduler, "started_at": start, "ended_at": start + HOUR}
        with api.database.writing() as connection:
            connection.execute(inference_event.insert(), {**row, "n_rows": 1, "diagnostics": {}})
    assert one_asset(api, who).n_events == 2


@pytest.mark.parametrize("hours_ago", [0, 1, 2.9, 3, 84, 167.9])
def test_a_score_is_in_the_step_of_its_time_and_the_highest_counts(api: Api, hours_ago: float) -> None:
    who = caller()
    name = add_model(api, add_dataset(api, account=who.account))
    scheduler, end = watch(api, name), NOW - timedelta(hours=hours_ago)
    execute(api, scheduler, end, score_max=0.7)
    execute(api, scheduler, end - timedelta(minutes=1), score_max=0.2)
    execute(api, scheduler, end - timedelta(days=8), score_max=0.9)
    execute(api, scheduler, end + timedelta(days=8), score_max=0.9)
    (values,) = sparks(api.database, who, [f"{name}-live"], NOW).values()
    step = min(int((168 - hours_ago) / 3), SPARK_BUCKETS - 1)
    assert len(values) == SPARK_BUCKETS
    assert values[step] == 0.7
    assert {value for number, value in enumerate(values) if number not in {step, step - 1}} <= {None}


def test_nobody_sees_the_assets_of_another_account_or_region(api: Api) -> None:
    who = caller()
    name = add_model(api, add_dataset(api, account=who.account))
    execute(api, watch(api, name), NOW, score_max=0.5)
    for other in (Caller("999999999999", REGION, "request"), Caller(who.account, "eu-west-1", "request")):
        assert name not in {one.model for one in assets(api.database, other, NOW)}
        assert not sparks(api.database, other, [f"{name}-live"], NOW)
