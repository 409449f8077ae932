"""Late files are looked for in turns: many schedulers take no more time than few."""

from openlookout.jobs.late import due


def test_who_waits_longest_is_looked_at_first_and_who_was_just_looked_at_waits() -> None:
    assert due({"soon": 11.0, "new": 0.0, "late": 3.0, "now": 10.0}, 10.0) == ["new", "late", "now"]
