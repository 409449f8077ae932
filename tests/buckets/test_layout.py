"""Keys of our own objects: never two things under one key, never a key that a folder refuses."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from openlookout.buckets import layout
from openlookout.buckets.names import check_key

# Definition, ComponentName: ^[0-9a-zA-Z._\-]{1,200}$
COMPONENTS = st.text(alphabet="aAbBpP.._-0~"[:-1], min_size=1, max_size=200)
NAME_BYTES_MAX = 255


@given(COMPONENTS, COMPONENTS)
def test_two_components_never_share_a_folder_even_where_case_does_not_count(one: str, other: str) -> None:
    keys = [layout.part("datasets/d/j/1/", component, 0).lower() for component in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


@given(COMPONENTS)
def test_every_component_makes_a_key_that_a_folder_can_hold(component: str) -> None:
    for key in (
        layout.part(layout.ingestion("d", "j", 1), component, 7),
        layout.accumulated_part(layout.accumulated("m", "e", 1), component),
        layout.accumulated_part(layout.imported("m", 2, 1, datetime(2026, 1, 1, tzinfo=UTC)), component),
    ):
        check_key("service", key)
        assert all(0 < len(segment) <= NAME_BYTES_MAX and segment[0] != "." for segment in key.split("/"))


def test_results_are_where_the_guide_says_in_utc() -> None:
    start = datetime(2021, 8, 31, 14, 45, tzinfo=timezone(timedelta(hours=2)))
    assert layout.results("out/", start) == "out/2021-08-31T12:45:00Z/results.jsonl"
    assert layout.results("", start) == "2021-08-31T12:45:00Z/results.jsonl"


def test_attempts_of_one_training_share_no_key() -> None:
    assert layout.detector(layout.version("m", 1, 1)) == "models/m/1/1/model.npz"
    assert layout.detector(layout.version("m", 1, 2)) == "models/m/1/2/model.npz"


def test_diagnostics_of_two_versions_share_no_key() -> None:
    assert layout.pointwise_diagnostics("p/", "m", 1) != layout.pointwise_diagnostics("p/", "m", 2)
