"""Off conditions: the text, and that its sensor exists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlookout.timeseries.off_condition import OffCondition, OffConditionError, parse_off_condition
from openlookout.timeseries.schema import Component

SCHEMA = (Component("AssetX", "t", ("Sensor1", "a<b".replace("<", "-"))),)
BLANKS = st.text(" \t", max_size=3)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from("<>"), BLANKS, BLANKS, BLANKS)
def test_spaces_are_optional_and_any_number_is_read(value, operator, a, b, c):
    text = f"{a}AssetX\\Sensor1{b}{operator}{c}{value!r}"
    assert parse_off_condition(text, SCHEMA) == OffCondition("AssetX", "Sensor1", operator, value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sensor1 < 1",
        "AssetX/Sensor1 < 1",
        "AssetX\\Sensor1 <= 1",
        "AssetX\\Sensor1 = 1",
        "AssetX\\Sensor1 < nan",
        "AssetX\\Sensor1 < 1e999",
        "AssetX\\Sensor1 < 1 or 2",
        "AssetX\\Sensor1 < ١",
    ],
)
def test_any_other_text_is_refused(text):
    with pytest.raises(OffConditionError, match="is not of the form"):
        parse_off_condition(text, SCHEMA)


def test_an_unknown_sensor_or_component_is_named():
    with pytest.raises(OffConditionError, match="component 'AssetX' has no sensor 'Sensor2'"):
        parse_off_condition("AssetX\\Sensor2<1", SCHEMA)
    with pytest.raises(OffConditionError, match="there is no component 'AssetY'"):
        parse_off_condition("AssetY\\Sensor1<1", SCHEMA)
