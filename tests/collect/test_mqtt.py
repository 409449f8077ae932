"""MQTT through a real broker: kept before it is acknowledged, through restarts, nothing lost and nothing doubled."""

import json

import pytest

from collect.broker import Broker
from collect.conftest import MINUTE_US, START_US, all_readings, full, publisher, until
from openlookout.collect.keeper import Keeper
from openlookout.collect.mqtt import JsonTopic, Mqtt, MqttSource, SparkplugTopic
from openlookout.collect.sparkplug import _payload_class

TOPIC = JsonTopic("plant/+/data", {"flow": "pump\\flow", "drive.speed": "pump\\speed"}, "ts")
SPARKPLUG = SparkplugTopic("spBv1.0/plant/#", {"edge/Temp": "pump\\flow", "edge/drive/Amps": "motor\\current"})


def source(broker: Broker, *topics: JsonTopic | SparkplugTopic, version: int = 5) -> MqttSource:
    return MqttSource("127.0.0.1", broker.port, "collector", topics, version=version)


def payload(number: int) -> str:
    return json.dumps(
        {"ts": (START_US + number * MINUTE_US) // 1000, "flow": number, "drive": {"speed": f"{number}.5"}}
    )


@pytest.mark.parametrize("version", [3, 5])
def test_messages_that_came_while_the_collector_was_away_are_not_lost(
    broker: Broker, keeper: Keeper, version: int
) -> None:
    collector = Mqtt(source(broker, TOPIC, version=version), keeper)
    collector.start()
    until(lambda: collector.is_subscribed)
    device = publisher(broker.port)
    for number in range(20):
        device.send("plant/a/data", payload(number))
    until(lambda: len(all_readings(keeper)) == 40)
    collector.stop()
    for number in range(20, 40):
        device.send("plant/a/data", payload(number))
    again = Mqtt(source(broker, TOPIC, version=version), keeper)
    again.start()
    until(lambda: len(all_readings(keeper)) == 80)
    again.stop()
    device.client.disconnect()
    flows = [row for row in all_readings(keeper) if row[1] == "flow"]
    assert flows == [("pump", "flow", START_US + n * MINUTE_US, float(n)) for n in range(40)]
    speeds = [row[3] for row in all_readings(keeper) if row[1] == "speed"]
    assert speeds == [n + 0.5 for n in range(40)]


def test_a_broker_that_is_killed_and_comes_again_is_subscribed_to_again(broker: Broker, keeper: Keeper) -> None:
    collector = Mqtt(source(broker, TOPIC), keeper)
    collector.start()
    until(lambda: collector.is_subscribed)
    device = publisher(broker.port)
    device.send("plant/a/data", payload(0))
    until(lambda: len(all_readings(keeper)) == 2)
    broker.kill()
    until(lambda: not collector.is_subscribed)
    broker.start()
    until(lambda: collector.is_subscribed)
    device.send("plant/a/data", payload(0))  # Sent again by a device that did not know better.
    device.send("plant/a/data", payload(1))
    until(lambda: len(all_readings(keeper)) == 4)
    collector.stop()
    device.client.disconnect()
    assert [row[3] for row in all_readings(keeper)] == [0.0, 1.0, 0.5, 1.5]


def test_what_is_no_reading_is_named_and_stops_nothing(
    broker: Broker, keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    collector = Mqtt(source(broker, TOPIC), keeper)
    collector.start()
    until(lambda: collector.is_subscribed)
    device = publisher(broker.port)
    device.send("plant/a/data", "no json")
    device.send("plant/a/data", json.dumps({"flow": 1}))
    device.send("plant/a/data", json.dumps({"ts": "2026-02-25T07:15:00+01:00", "flow": "bad"}))
    device.send("plant/a/data", payload(1))
    until(lambda: len(all_readings(keeper)) == 3)
    collector.stop()
    device.client.disconnect()
    assert "the payload is no JSON" in caplog.text
    assert "None is no time" in caplog.text
    assert all_readings(keeper)[0] == ("pump", "flow", START_US, None)


def test_what_the_disk_does_not_take_is_acknowledged_once_it_does(
    broker: Broker, keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    collector = Mqtt(source(broker, TOPIC), keeper)
    collector.start()
    until(lambda: collector.is_subscribed)
    device = publisher(broker.port)
    with full(keeper.spool):
        device.send("plant/a/data", payload(1))
        until(lambda: "messages are not acknowledged" in caplog.text)
    until(lambda: len(all_readings(keeper)) == 2)
    caplog.clear()
    with full(keeper.spool):
        device.send("plant/a/data", payload(2))
        until(lambda: "messages are not acknowledged" in caplog.text)
        collector.stop()
    assert len(all_readings(keeper)) == 2
    again = Mqtt(source(broker, TOPIC), keeper)
    again.start()
    until(lambda: len(all_readings(keeper)) == 4)
    again.stop()
    device.client.disconnect()


def metric(message, **members) -> None:
    one = message.metrics.add()
    for name, value in members.items():
        setattr(one, name, value)


def test_sparkplug_names_are_told_at_birth_and_hold_until_death(broker: Broker, keeper: Keeper) -> None:
    collector = Mqtt(source(broker, SPARKPLUG), keeper)
    collector.start()
    until(lambda: collector.is_subscribed)
    device = publisher(broker.port)
    at = START_US // 1000
    node, drive, data = (_payload_class()() for _ in range(3))
    metric(node, name="Temp", alias=1, timestamp=at, datatype=3, int_value=2**32 - 5)
    metric(drive, name="Amps", alias=7, timestamp=at, datatype=9, float_value=1.5)
    metric(data, alias=7, timestamp=at + 1000, float_value=2.5)
    metric(data, alias=7, timestamp=at + 2000, is_null=True, float_value=0.0)
    device.send("spBv1.0/plant/NBIRTH/edge", node.SerializeToString())
    device.send("spBv1.0/plant/DBIRTH/edge/drive", drive.SerializeToString())
    device.send("spBv1.0/plant/DDATA/edge/drive", data.SerializeToString())
    until(lambda: len(all_readings(keeper)) == 4)
    assert all_readings(keeper) == [
        ("motor", "current", START_US, 1.5),
        ("motor", "current", START_US + 1_000_000, 2.5),
        ("motor", "current", START_US + 2_000_000, None),
        ("pump", "flow", START_US, -5.0),
    ]
    until(lambda: [name for last in keeper._last.values() for name in last] == ["pump\\flow"])
    keeper.tell_held(START_US + MINUTE_US)
    assert all_readings(keeper)[-1] == ("pump", "flow", START_US + MINUTE_US, -5.0)
    device.send("spBv1.0/plant/NDEATH/edge", b"")
    until(lambda: not keeper._last)
    keeper.tell_held(START_US + 2 * MINUTE_US)
    assert len(all_readings(keeper)) == 5
    collector.stop()
    device.client.disconnect()


def test_a_node_whose_aliases_are_unknown_is_asked_to_be_born_again(broker: Broker, keeper: Keeper) -> None:
    device = publisher(broker.port)
    commands: list[bytes] = []
    device.client.on_message = lambda _c, _d, message: commands.append(message.payload)
    device.client.subscribe("spBv1.0/plant/NCMD/edge", 1)
    collector = Mqtt(source(broker, SPARKPLUG), keeper)
    collector.start()
    until(lambda: collector.is_subscribed)
    data = _payload_class()()
    metric(data, alias=7, timestamp=1, float_value=2.5)
    device.send("spBv1.0/plant/NDATA/edge", data.SerializeToString())
    until(lambda: commands)
    asked = _payload_class().FromString(commands[0])
    assert (asked.metrics[0].name, asked.metrics[0].boolean_value) == ("Node Control/Rebirth", True)
    collector.stop()
    device.client.disconnect()
