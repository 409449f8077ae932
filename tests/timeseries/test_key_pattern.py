"""Key patterns: which component a key belongs to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlookout.timeseries.key_pattern import KeyPatternError, assign, parse_key_pattern

NAME = st.text("09azAZ", min_size=1, max_size=8)
PREFIX = st.sampled_from(["", "data/", "a/b c/"])


@given(NAME, PREFIX, st.sampled_from([" ", "_", "-"]))
def test_the_component_is_what_stands_before_the_delimiter(name, prefix, delimiter):
    pattern = parse_key_pattern("{prefix}/{component_name}" + delimiter + "*")
    assert pattern.component(f"{prefix}{name}{delimiter}january{delimiter}1.csv", prefix) == name
    assert pattern.component(f"{prefix}{name}.csv", prefix) is None
    assert pattern.component(f"{prefix}deeper/{name}{delimiter}1.csv", prefix) is None


@given(NAME, PREFIX)
def test_the_component_is_the_folder_after_the_prefix(name, prefix):
    pattern = parse_key_pattern("{prefix}/{component_name}/*")
    assert pattern.component(f"{prefix}{name}/2024/1.csv", prefix) == name
    assert pattern.component(f"{prefix}{name}/", prefix) is None
    assert pattern.component(f"{prefix}{name}.csv", prefix) is None
    assert pattern.component(f"other/{name}/1.csv", "data/") is None


def test_with_a_dot_the_component_is_the_whole_file_name():
    pattern = parse_key_pattern("{prefix}/{component_name}.*")
    assert pattern.component("p/pump.1.csv", "p/") == "pump.1"
    assert pattern.component("p/pump.1.CSV.gz", "p/") == "pump.1"


def test_the_longest_component_of_the_schema_wins():
    pattern = parse_key_pattern("{prefix}/{component_name}_*")
    assert pattern.component("p/pump_2_january.csv", "p/", ["pump", "pump_2"]) == "pump_2"
    assert pattern.component("p/pump_3_january.csv", "p/", ["pump", "pump_2"]) == "pump"
    assert pattern.component("p/pump_3_january.csv", "p/", ["fan"]) is None


def test_a_name_that_no_component_may_have_is_no_component():
    assert parse_key_pattern("{prefix}/{component_name}/*").component("p/a b/1.csv", "p/") is None


@pytest.mark.parametrize(
    "text",
    ["", "*", "{prefix}/{component_name}*", "{prefix}/{component_name}[DELIMITER]*", "{prefix}{component_name}/*"],
)
def test_any_other_pattern_is_refused_and_the_three_forms_are_named(text):
    with pytest.raises(KeyPatternError, match=r"is none of \{prefix\}/\{component_name\}/\*"):
        parse_key_pattern(text)


def test_without_a_pattern_folders_come_first_and_flat_files_where_none_fits():
    folders = assign(["p/pump/1.csv", "p/fan.csv", "p/pump/"], "p/", None, ["pump", "fan"])
    assert folders.components == (("p/pump/1.csv", "pump"),)
    assert folders.unmatched == ("p/fan.csv",)
    flat = assign(["p/pump.csv", "p/readme.txt"], "p/", None, ["pump"])
    assert flat.components == (("p/pump.csv", "pump"),)
    assert flat.unmatched == ("p/readme.txt",)


def test_a_pattern_that_was_given_is_not_replaced():
    assert assign(["p/pump.csv"], "p/", parse_key_pattern("{prefix}/{component_name}/*"), None).components == ()
