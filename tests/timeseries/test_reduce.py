"""A line of few points looks like the line of all: the lowest and the highest value of each bucket of time are there."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openlookout.timeseries.reduce import lined, reduced

BUCKETS = 7


@given(
    steps=st.lists(st.integers(1, 50), min_size=1, max_size=200),
    values=st.data(),
)
def test_each_bucket_keeps_its_lowest_and_its_highest_value(steps: list[int], values: st.DataObject) -> None:
    times = np.cumsum(np.array(steps, np.int64))
    drawn = values.draw(
        st.lists(st.sampled_from([-1.5, 0.0, 2.0, float("nan")]), min_size=len(times), max_size=len(times))
    )
    readings = np.array(drawn)
    start, end = 0, int(times[-1])
    x, y = reduced(times, readings, start, end, BUCKETS)
    there = [(int(at), float(value)) for at, value in zip(times, readings, strict=True) if not np.isnan(value)]
    few = list(zip(x.tolist(), y.tolist(), strict=True))
    assert set(few) <= set(there)
    assert few == sorted(few)
    if len(there) <= 2 * BUCKETS:
        assert few == there
        return
    width = -(-(end - start + 1) // BUCKETS)
    assert len(few) <= 2 * BUCKETS
    for bucket in range(BUCKETS):
        all_of = [value for at, value in there if at // width == bucket]
        kept = [value for at, value in few if at // width == bucket]
        assert (min(kept), max(kept)) == (min(all_of), max(all_of)) if all_of else not kept


def test_a_pause_breaks_the_line_and_what_is_bridged_is_not_longer_than_ten_steps() -> None:
    times = np.r_[np.arange(0, 100), np.arange(200, 300)].astype(np.int64) * 1000
    x, y = lined(times, np.ones(len(times)), 0, int(times[-1]))
    assert [at for at, value in zip(x, y, strict=True) if value is None] == [99]
