"""Schemas: what is one, what the message says when it is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlookout.timeseries.schema import Component, SchemaError, parse_schema, schema_text, subset

SENSOR = st.text("0123456789azAZ:#$.-_", min_size=1, max_size=20)
NAME = st.text("0123456789azAZ.-_", min_size=1, max_size=20)
COMPONENT = st.lists(SENSOR, min_size=2, max_size=6, unique=True).flatmap(
    lambda columns: st.builds(Component, NAME, st.just(columns[0]), st.just(tuple(columns[1:])))
)
SCHEMA = st.lists(COMPONENT, min_size=1, max_size=4, unique_by=lambda one: one.name).map(tuple)


def text(*columns: tuple[object, object], name: object = "pump") -> str:
    listed = [{"Name": column, "Type": kind} for column, kind in columns]
    return json.dumps({"Components": [{"ComponentName": name, "Columns": listed}]})


@given(SCHEMA)
def test_a_schema_is_read_back_and_evaluates_as_python(schema):
    written = schema_text(schema)
    assert parse_schema(written) == schema
    assert eval(written)["Components"][0]["Columns"][0]["Type"] == "DATETIME"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(st.sampled_from(["Components", "ComponentName", "Columns", "Name", "Type", "x"]), x)
        ),
    )
)
def test_any_other_document_is_refused_in_a_sentence(document):
    with pytest.raises(SchemaError):
        parse_schema(json.dumps(document))


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        (text(("t", "DATETIME")), "component 'pump': a list \"Columns\" with a timestamp and at least one sensor"),
        (text(("t", "DATETIME"), ("t", "DOUBLE")), "component 'pump': column 't' is listed twice"),
        (
            text(("a", "DOUBLE"), ("t", "DATETIME")),
            "component 'pump', column 'a': Type is 'DOUBLE', DATETIME is needed",
        ),
        (
            text(("t", "DATETIME"), ("a", "DATETIME")),
            "component 'pump', column 'a': Type is 'DATETIME', DOUBLE is needed",
        ),
        (text(("t", "DATETIME"), ("a b", "DOUBLE")), "component 'pump': the column name 'a b' is not"),
        (text(("t", "DATETIME"), ("a", "DOUBLE"), name="a/b"), "component 1: the ComponentName 'a/b' is not"),
        (
            text(("t", "DATETIME"), *((f"s{i}", "DOUBLE") for i in range(3001))),
            "component 'pump': 3001 sensors, 3000 are the limit",
        ),
    ],
)
def test_the_message_names_component_column_and_reason(sent, said):
    with pytest.raises(SchemaError) as error:
        parse_schema(sent)
    assert str(error.value).startswith(said)


@given(SCHEMA, st.data())
def test_a_subset_has_exactly_what_was_asked_for(schema, data):
    one = data.draw(st.sampled_from(schema))
    wanted = Component(one.name, "whatever", one.sensors[:1])
    assert subset(schema, [wanted]) == (Component(one.name, one.timestamp, one.sensors[:1]),)


def test_a_subset_names_what_the_dataset_does_not_have():
    whole = parse_schema(text(("t", "DATETIME"), ("a", "DOUBLE")))
    with pytest.raises(SchemaError, match="component 'pump' has no sensor 'b' in the dataset, which has 'a'"):
        subset(whole, [Component("pump", "t", ("a", "b"))])
    with pytest.raises(SchemaError, match="component 'fan' is not in the dataset, which has 'pump'"):
        subset(whole, [Component("fan", "t", ("a",))])
