"""The simulation in short: one fault of each kind that costs no minute; `crash.simulation` is the long form."""

import random
from pathlib import Path

import pytest

from crash.simulation import FAULTS, plan, simulate

ROUNDS = [
    ["kill -9 a worker", "PostgreSQL crashes", "S3 cuts what it says", "a worker's disk is full", "S3 is slow"],
    [
        *("a worker sleeps until it is thought dead, and wakes", "PostgreSQL cuts every connection", "kill -9 an API"),
        *("the clock jumps an hour back", "kill -9 a child", "S3 refuses"),
    ],
]
N_WINDOWS = 40


@pytest.mark.timeout(1500)  # Two minutes where two processors are free.
def test_whatever_breaks_each_accepted_request_has_its_effect_once(tmp_path: Path) -> None:
    said: list[str] = []
    seed = random.SystemRandom().randrange(2**32)  # Drawn anew each time, so that many runs see many places.
    wrong = simulate(tmp_path, seed, ROUNDS, said.append, N_WINDOWS)
    assert wrong == [], (seed, said)


def test_a_plan_has_as_many_points_as_asked_for_of_every_kind_and_is_the_seeds_alone() -> None:
    rounds = [*plan(random.Random(5), 200)]
    assert sum(map(len, rounds)) == 200
    assert {fault for faults in rounds for fault in faults} == set(FAULTS)
    assert rounds == [*plan(random.Random(5), 200)]
