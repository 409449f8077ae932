"""Timestamps: the formats of the guide, and that a text means the same whatever its neighbours are."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlookout.timeseries.timestamps import parse_timestamps

FORMATS = [
    *("%Y-%m-%d-%H-%M-%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d-%H:%M:%S"),
    *("%Y-%m-%d-%H-%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d-%H:%M"),
    *("%Y/%m/%dT%H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y/%m/%dT%H:%M", "%Y/%m/%d %H:%M"),
    *("%Y %m %dT%H:%M:%S", "%Y %m %d %H:%M:%S", "%Y %m %dT%H:%M", "%Y %m %d %H:%M"),
    *("%Y%m%dT%H:%M:%S", "%Y%m%d %H:%M:%S", "%Y%m%dT%H:%M", "%Y%m%d %H:%M", "%Y%m%d%H%M", "%Y%m%d%H%M%S"),
    *("%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%f+00:00", "%Y-%m-%d"),
]
BAD = [
    *("", "x", "2020-02-31 00:00", "2021-02-29 00:00", "1577836800", "1577836800000", "2020111 00:00", "20200102030"),
    *("2020-13-01 00:00", "2020-01-01 25:00", "2020-01-01 00:61", "31/12/2020 00:00", "12/31/2020 00:00"),
    *("0001-01-01 00:00", "9999-12-31 00:00:00", "1899-12-30 00:00:00", "2020-01-02T03:04:05X", "2020-01-0203:04"),
    *("2020-01-01 00: 1:02", "20 20-01-01 00:00", "٢٠٢٠-٠١-٠١ 00:00"),
]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIME = st.integers(0, 7_258_118_399_999_999).map(lambda us: EPOCH + timedelta(microseconds=us))


def microseconds(time: datetime) -> int:
    return (time - EPOCH) // timedelta(microseconds=1)


def parsed(texts: list[str | None]) -> list[int | None]:
    return parse_timestamps(pl.Series(texts, dtype=pl.String), None)[0].to_list()


@given(TIME, st.sampled_from(FORMATS))
def test_every_format_gives_the_time_that_was_written(time, form):
    text = time.strftime(form)
    assert parsed([text]) == [microseconds(datetime.strptime(text, form).replace(tzinfo=UTC))]


@given(
    st.lists(
        st.one_of(
            st.tuples(TIME, st.sampled_from(FORMATS)).map(lambda x: x[0].strftime(x[1])),
            st.sampled_from(BAD),
            st.none(),
        ),
        max_size=30,
    )
)
def test_a_text_means_the_same_whatever_its_neighbours_are(texts):
    assert parsed(texts) == [parsed([text])[0] for text in texts]


@given(st.text("0123456789-/ :T.Z+", max_size=24), st.sampled_from(FORMATS))
def test_the_format_of_the_column_does_not_let_in_what_stands_alone_is_none(text, form):
    neighbour = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC).strftime(form)
    assert parsed([neighbour, text])[1] == parsed([text])[0]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_supported_timestamp_is_none(text):
    assert parsed([text]) == [None]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2020/1/2 3:04", "2020-01-02T03:04:00"),
        ("2020-1-2 3:4:5", "2020-01-02T03:04:05"),
        (" 2020-01-02 03:04 ", "2020-01-02T03:04:00"),
        ("2020-01-02 03:04:05.5", "2020-01-02T03:04:05.500000"),
        ("2020-01-02 03:04:05.123456789", "2020-01-02T03:04:05.123456"),
        ("2020-01-02 03:04:05+05:30", "2020-01-01T21:34:05"),
        ("2020-01-02T03:04:05-0130", "2020-01-02T04:34:05"),
    ],
)
def test_fields_without_padding_fractions_and_zones_are_read(text, meant):
    assert parsed([text]) == [microseconds(datetime.fromisoformat(meant).replace(tzinfo=UTC))]
