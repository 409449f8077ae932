"""When an alarm begins and how long it is held, against a loop over rows; how rare a value is, against counting."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openlookout.detection.contract import Booleans, Integers
from openlookout.detection.holding import holding, twice
from openlookout.detection.members import KNOTS_MAX, fit_tails


def held_row_by_row(begins: Booleans, held: Booleans, segment: Integers, *, goes_on: bool) -> list[bool]:
    alarm, out = goes_on, []
    for row in range(len(begins)):
        if row and segment[row] != segment[row - 1]:
            alarm = False
        alarm = bool(begins[row] or (alarm and held[row]))
        out.append(alarm)
    return out


ROWS = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 3)), max_size=40)


@given(rows=ROWS, goes_on=st.booleans())
def test_an_alarm_lasts_while_it_is_held_and_ends_with_its_segment(
    rows: list[tuple[bool, bool, int]], goes_on: bool
) -> None:
    begins, held = (np.array([row[k] for row in rows], bool) for k in (0, 1))
    segment = np.sort(np.array([row[2] for row in rows], np.int64))
    assert holding(begins, held, segment, goes_on=goes_on).tolist() == held_row_by_row(
        begins, held, segment, goes_on=goes_on
    )


@given(rows=ROWS, before=st.booleans())
def test_an_alarm_begins_with_two_rows_over_the_limit_or_the_first_of_a_segment(
    rows: list[tuple[bool, bool, int]], before: bool
) -> None:
    over, segment = np.array([row[0] for row in rows], bool), np.sort(np.array([row[2] for row in rows], np.int64))
    wanted = [
        bool(over[row] and (before if row == 0 else segment[row] != segment[row - 1] or over[row - 1]))
        for row in range(len(rows))
    ]
    assert twice(over, segment, before=before).tolist() == wanted


def test_a_tail_counts_the_values_of_training_that_are_as_extreme() -> None:
    training = np.arange(1.0, 101.0)[:, None]
    tails = fit_tails(training, np.zeros(100, np.int64), np.ones(100, bool))
    asked = np.array([[0.0], [1.0], [2.0], [50.0], [99.0], [100.0], [500.0]])
    said = np.exp(-tails.surprises(asked)[:, 0])
    assert np.allclose(said, [0.01, 0.02, 0.04, 1.0, 0.04, 0.02, 0.01])


def test_tails_of_many_rows_are_kept_as_few_values_that_reach_both_ends() -> None:
    training = np.random.default_rng(0).normal(0, 1, (5 * KNOTS_MAX, 2))
    tails = fit_tails(training, np.zeros(len(training), np.int64), np.ones(len(training), bool))
    assert tails.knots.shape == (KNOTS_MAX, 2)
    assert np.array_equal(tails.knots[[0, -1]], [training.min(axis=0), training.max(axis=0)])
