"""How a key is spelt on Windows, tested on every system: the mapping is text to text."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openlookout.buckets.names import segment_of_windows_name, stands_for_itself, windows_name

SEGMENTS = st.one_of(
    st.text(alphabet=st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1),
    st.text(alphabet="%253ACcoOnN. :", min_size=1, max_size=8),
).filter(lambda segment: segment not in {".", ".."})


@given(SEGMENTS)
@example("%3A")
@example("%253A")
def test_every_segment_comes_back_from_its_windows_name(segment: str) -> None:
    assert segment_of_windows_name(windows_name(segment)) == segment


@given(SEGMENTS)
def test_no_windows_name_is_one_that_windows_refuses(segment: str) -> None:
    name = windows_name(segment)
    assert not re.search(r'[\x00-\x1f<>:"|?*\\/]', name)
    assert not name.endswith((".", " "))
    assert name.split(".")[0].rstrip(" ").lower() not in {"con", "prn", "aux", "nul", "com1", "lpt9", "com¹"}


@given(SEGMENTS, SEGMENTS)
def test_two_segments_never_share_a_windows_name(one: str, other: str) -> None:
    assert (windows_name(one) == windows_name(other)) == (one == other)


@given(SEGMENTS)
def test_a_name_that_stands_for_itself_is_legal_and_stands_for_no_other_segment(name: str) -> None:
    if stands_for_itself(name):
        assert segment_of_windows_name(name) == name
        assert not re.search(r'[<>:"|?*\\]', name)


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        ("2021-08-31T12:45:00Z", "2021-08-31T12%3A45%3A00Z"),
        ("con.csv", "%63on.csv"),
        ("console.csv", "console.csv"),
        ("pump.", "pump%2E"),
        ("50%.csv", "50%25.csv"),
    ],
)
def test_the_names_one_remembers(segment: str, name: str) -> None:
    assert windows_name(segment) == name
