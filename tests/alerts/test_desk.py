"""Alerts as the console sets them: refusals in the API's errors, and a record of every change."""

from datetime import timedelta

import pytest

from alerts.conftest import NOW, OF, Plant
from openlookout.api.caller import Caller
from openlookout.api.errors import ResourceNotFoundException, ValidationException
from openlookout.app.alert_desk import AlertDesk
from openlookout.console.alert_ports import WantedChannel
from openlookout.store.audit import records

WHO = Caller(**OF, request_id="r-1", principal="AKIAPLANT")


@pytest.fixture
def desk(plant: Plant) -> AlertDesk:
    return AlertDesk(plant.database, plant.clock, "http://console")


def test_a_refusal_is_a_sentence_in_which_names_keep_their_capitals(desk: AlertDesk) -> None:
    with pytest.raises(ResourceNotFoundException, match=r"^There is no model 'Pump-A' in account"):
        desk.snooze(WHO, "Pump-A", NOW)
    with pytest.raises(ResourceNotFoundException, match=r"^There is no channel 'Ops'\.$"):
        desk.send_test(WHO, "Ops")
    with pytest.raises(ValidationException, match=r"'Pager'"):
        desk.put_channel(WHO, WantedChannel("ops", "Pager", {}, None, None, 60))


def test_a_snooze_lasts_until_its_time_and_leaves_one_record(plant: Plant, desk: AlertDesk) -> None:
    until = plant.clock.now() + timedelta(hours=4)
    desk.snooze(WHO, "pump", until)
    assert desk.snoozed_until(WHO, "pump") == until
    plant.clock.advance(timedelta(hours=4))
    assert desk.snoozed_until(WHO, "pump") is None
    (record,) = records(plant.database)
    assert (record.principal, record.operation, record.request_id) == ("AKIAPLANT", "SnoozeAlerts", "r-1")
