"""When rows become an alarm: the fast walk equals its slow twin, however the rows are cut into executions."""

from hypothesis import given
from hypothesis import strategies as st

from openlookout.alerts.persistence import Alarm, Change, Row, Rule, follow

MINUTE = 60_000_000


def naive(flags: list[bool], rule: Rule, muted: set[int]) -> list[tuple[bool, int, int]]:
    """Look at every row anew, with all the rows before it."""
    is_on = [sum(flags[max(0, i - rule.n + 1) : i + 1]) >= rule.k for i in range(len(flags))]
    told = []
    i = 0
    while i < len(flags):
        if not is_on[i]:
            i += 1
            continue
        end = next((j for j in range(i, len(flags)) if not is_on[j]), len(flags))
        first = next(j for j in range(max(0, i - rule.n + 1), i + 1) if flags[j])
        raised = [j for j in range(i, end) if (j - first) * MINUTE >= rule.minimum_us and j not in muted]
        if raised:
            told.append((False, first, max(j for j in range(raised[0] + 1) if flags[j])))
            if end < len(flags):
                told.append((True, first, max(j for j in range(end) if flags[j])))
        i = end
    return told


@given(
    flags=st.lists(st.booleans(), max_size=60),
    n=st.integers(1, 6),
    k=st.integers(1, 6),
    minutes=st.integers(0, 5),
    muted=st.sets(st.integers(0, 59), max_size=20),
    cuts=st.sets(st.integers(0, 60), max_size=5),
)
def test_alarms_are_those_of_the_slow_twin_for_any_cut_into_executions(
    flags: list[bool], n: int, k: int, minutes: int, muted: set[int], cuts: set[int]
) -> None:
    rule = Rule(min(k, n), n, minutes * MINUTE)
    rows: list[Row] = [(i * MINUTE, flag) for i, flag in enumerate(flags)]
    alarm, told = Alarm(), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(rows)], strict=True):
        alarm, changes = follow(alarm, rows[start:end], rule, lambda at: at // MINUTE in muted)
        told += changes
    assert [(c.is_end, c.began_us // MINUTE, c.last_us // MINUTE) for c in told] == naive(flags, rule, muted)


def test_three_of_five_for_ten_minutes() -> None:
    rule = Rule(3, 5, 10 * MINUTE)
    flags = [0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    _, told = follow(Alarm(), [(i * MINUTE, bool(f)) for i, f in enumerate(flags)], rule, lambda _: False)
    assert told == [Change(False, 6 * MINUTE, 16 * MINUTE), Change(True, 6 * MINUTE, 16 * MINUTE)]


def test_an_alarm_that_outlasts_a_maintenance_window_is_told_after_it() -> None:
    _, told = follow(Alarm(), [(i * MINUTE, True) for i in range(10)], Rule(), lambda at: at < 4 * MINUTE)
    assert told == [Change(False, 0, 4 * MINUTE)]
