"""OPC UA through a real server: every change once, with its own time, and on after the server was killed."""

import pytest

from collect.conftest import all_readings, full, until
from collect.opcua_server import OpcuaServer
from openlookout.collect.keeper import Keeper
from openlookout.collect.opcua import Opcua, OpcuaSource

VALUES = {"ns=2;s=Count": "pump\\flow", "ns=2;s=Still": "pump\\speed", "ns=2;s=Bad": "motor\\current"}


def counts(keeper: Keeper) -> list[float]:
    return [row[3] for row in all_readings(keeper) if row[1] == "flow" and row[3] is not None]


def test_every_change_is_a_reading_once_and_goes_on_after_the_server_was_killed(keeper: Keeper) -> None:
    with OpcuaServer().up() as server:
        collector = Opcua(OpcuaSource(server.url, VALUES, interval_ms=50), keeper)
        collector.start()
        until(lambda: len(counts(keeper)) >= 8)
        server.kill()
        before = counts(keeper)
        server.start(1000)
        until(lambda: len([n for n in counts(keeper) if n > 1000]) >= 8)
        collector.stop()
        after = [n for n in counts(keeper) if n >= 1000]
    assert before == [before[0] + i for i in range(len(before))]
    assert after == [after[0] + i for i in range(len(after))]


def test_a_server_is_asked_again_for_what_the_disk_did_not_take(
    keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    with OpcuaServer().up() as server:
        collector = Opcua(OpcuaSource(server.url, VALUES, interval_ms=50), keeper)
        with full(keeper.spool):
            collector.start()
            until(lambda: "the server will be asked again for what it told" in caplog.text)
        until(lambda: {row[1] for row in all_readings(keeper)} == {"flow", "speed", "current"})
        collector.stop()
        assert "whichever server answers is believed: no server_certificate is given" in caplog.text


def test_a_value_that_stands_still_holds_and_a_bad_one_is_no_reading(keeper: Keeper) -> None:
    with OpcuaServer().up() as server:
        collector = Opcua(OpcuaSource(server.url, VALUES, interval_ms=50), keeper)
        collector.start()
        until(lambda: {row[1] for row in all_readings(keeper)} == {"flow", "speed", "current"})
        keeper.tell_held(keeper.now_us() + 1)
        collector.stop()
        assert [row[3] for row in all_readings(keeper) if row[1] == "speed"] == [7.5, 7.5]
        assert [row[3] for row in all_readings(keeper) if row[1] == "current"] == [None]
        n_readings = len(all_readings(keeper))
        keeper.tell_held(keeper.now_us() + 2)
        assert len(all_readings(keeper)) == n_readings  # Nothing holds when the session has ended.
