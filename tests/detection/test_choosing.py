"""What labelled failures choose: nothing while they are few or agree on nothing, else what finds those left out."""

import numpy as np

from openlookout.detection.choosing import PLAIN, Choice, LeftOut, Option, choose, failures_of
from openlookout.detection.contract import Booleans
from openlookout.detection.model_file import load, save
from openlookout.detection.training import fit, fit_judged
from openlookout.detection.what_if import deciding

N_ROWS = 100
FAILURES = [(10, 20), (40, 50), (70, 80)]
QUIET = np.zeros(N_ROWS, bool)


def everywhere(option: Option, chosen: Option) -> tuple[Booleans, Booleans]:
    """Only the chosen option alarms in the failures, and never on normal rows."""
    alarm = QUIET.copy()
    if option == chosen:
        for first, last in FAILURES:
            alarm[first:last] = True
    return alarm, QUIET


def test_the_option_that_finds_every_failure_left_out_is_chosen() -> None:
    wanted = Option(1, 0.85)
    assert choose(lambda option: everywhere(option, wanted), FAILURES, 4) == Choice(wanted, LeftOut(1.0, 0.0))


def test_two_failures_choose_nothing() -> None:
    assert choose(lambda option: everywhere(option, Option(1, 0.85)), FAILURES[:2], 4) == Choice(PLAIN, None)


def test_options_that_each_find_another_failure_are_not_trusted() -> None:
    def alarms(option: Option) -> tuple[Booleans, Booleans]:
        alarm = QUIET.copy()
        if option.emphasis is not None and option.emphasis < len(FAILURES):
            first, last = FAILURES[option.emphasis]
            alarm[first:last] = True
        return alarm, QUIET

    assert choose(alarms, FAILURES, 4) == Choice(PLAIN, LeftOut(0.0, 0.0))


def test_failures_that_are_found_anyway_raise_a_limit_that_alarms_on_normal_rows() -> None:
    def alarms(option: Option) -> tuple[Booleans, Booleans]:
        noisy = QUIET.copy()
        noisy[:5] = option.factor < 1.2
        return ~QUIET, noisy

    assert choose(alarms, FAILURES, 4) == Choice(Option(None, 1.2), LeftOut(1.0, 0.0))


def test_a_span_over_which_alone_the_failures_are_seen_is_chosen() -> None:
    wanted = Option(None, 1.0, 8)
    assert choose(lambda option: everywhere(option, wanted), FAILURES, 4).option == wanted


def test_faint_failures_that_last_are_looked_for_over_many_rows_and_so_found_piece_by_piece_to_the_bit() -> None:
    rng = np.random.default_rng([0, 2])
    n, size = 4000, 120
    rows = rng.normal(0, 0.5, (n, 6)) + np.sin(np.arange(n) / 40)[:, None] * rng.normal(0, 1, (1, 6))
    failures = [(first, first + size) for first in range(400, n - size, 400)]
    anomalous, segment = np.zeros(n, bool), np.zeros(n, np.int64)
    for first, last in failures:
        rows[first:last, 2] += 0.6
        anomalous[first:last] = True
    cut = failures[5][0] - 50
    plain, told = (fit(rows[:cut], ~anomalous[:cut], segment[:cut], labels) for labels in (None, anomalous[:cut]))
    assert (plain.span, told.span) == (1, 8)
    found = []
    for detector in (plain, told):
        alarm = np.r_[np.zeros(cut, bool), detector.score(rows[cut:], segment[cut:])[0].alarm]
        found.append(sum(bool(alarm[first:last].any()) for first, last in failures[5:]))
    assert found[1] > found[0]
    whole, state = told.score(rows, segment)[0], None
    for part in np.array_split(np.arange(n), (3, 5, 700, 1900, 1901)):
        piece, state = told.score(rows[part], segment[part], state)
        assert np.array_equal(piece.anomaly, whole.anomaly[part])
    assert np.array_equal(load(save(told)).score(rows, segment)[0].anomaly, whole.anomaly)
    scores, units, _ = told.score_and_units(rows, segment)
    assert np.array_equal(deciding(told, scores, units, segment).alarm(1.0), whole.alarm)


def test_failures_are_runs_of_labelled_rows_within_a_segment() -> None:
    anomalous = np.array([0, 1, 1, 1, 0, 1], bool)
    assert failures_of(anomalous, np.array([0, 0, 0, 1, 1, 1])) == [(1, 3), (3, 4), (5, 6)]


def test_failures_in_training_make_later_ones_found_earlier_without_more_false_rows_than_one_per_cent() -> None:
    rng = np.random.default_rng(0)
    n, size = 4000, 120
    rows = rng.normal(0, 0.5, (n, 6)) + np.sin(np.arange(n) / 40)[:, None] * rng.normal(0, 1, (1, 6))
    failures = [(first, first + size) for first in range(400, n - size, 400)]
    anomalous = np.zeros(n, bool)
    for first, last in failures:
        rows[first:last, 2] += 1.1
        anomalous[first:last] = True
    cut = failures[5][0] - 50
    segment = np.zeros(n, np.int64)
    shares = []
    for labels in (None, anomalous[:cut]):
        detector = fit(rows[:cut], ~anomalous[:cut], segment[:cut], labels)
        alarm = np.r_[np.zeros(cut, bool), detector.score(rows[cut:], segment[cut:])[0].alarm]
        shares.append([float(alarm[first:last].mean()) for first, last in failures[5:]])
        assert alarm[cut : failures[5][0]].mean() <= 0.01
    assert np.mean(shares[1]) > np.mean(shares[0]) + 0.1


def test_failures_like_each_other_are_found_left_out_and_noise_that_is_called_failure_is_not() -> None:
    rng = np.random.default_rng(1)
    n = 3000
    rows = rng.normal(0, 0.5, (n, 6)) + np.sin(np.arange(n) / 40)[:, None] * rng.normal(0, 1, (1, 6))
    anomalous, segment = np.zeros(n, bool), np.zeros(n, np.int64)
    for first in range(300, n - 100, 500):
        anomalous[first : first + 40] = True
    _, as_it_is = fit_judged(rows, ~anomalous, segment, anomalous)
    rows[anomalous, 2] += 4
    _, broken = fit_judged(rows, ~anomalous, segment, anomalous)
    assert broken is not None
    assert broken.found == 1
    assert broken.false_share < 0.01
    assert as_it_is is not None
    assert as_it_is.found < 0.5
    few = anomalous & (np.arange(n) < 1000)
    assert fit_judged(rows, ~few, segment, few)[1] is None


def test_nothing_is_learned_from_labelled_rows_not_even_by_looking_back_on_them() -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(0, 0.5, (1200, 5)) + np.sin(np.arange(1200) / 20)[:, None] * rng.normal(0, 1, (1, 5))
    anomalous, segment = np.zeros(1200, bool), np.zeros(1200, np.int64)
    for first in (210, 900):  # Two choose nothing.
        anomalous[first : first + 9] = True
    moved = rows.copy()
    moved[anomalous] += (0, 7, 0, -30, 0)
    there, not_there = (fit(each, ~anomalous, segment, anomalous) for each in (moved, rows))
    assert not there.levels.any_wanders
    live = rng.normal(0, 1, (300, 5))
    told = [each.score(live, np.zeros(300, np.int64))[0] for each in (there, not_there)]
    assert there.limit == not_there.limit
    assert told[0].anomaly.tobytes() == told[1].anomaly.tobytes()
    assert told[0].contribution.tobytes() == told[1].contribution.tobytes()


def test_rows_that_were_not_read_break_no_window() -> None:
    rng = np.random.default_rng(6)
    rows = rng.normal(0, 0.5, (1200, 5)) + np.sin(np.arange(1200) / 20)[:, None] * rng.normal(0, 1, (1, 5))
    is_read, segment = np.arange(1200) % 4 == 0, np.zeros(1200, np.int64)
    kinds = [type(member).__name__ for member in fit(rows, is_read, segment, np.zeros(1200, bool)).views[0].members]
    assert kinds == ["Level", "Lagged", "Windowed", "Windowed", "Tails"]
