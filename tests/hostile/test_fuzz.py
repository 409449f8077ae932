"""Fuzzed requests, the short form: any request is answered, and none is an error of the service."""

import random

from hostile.fuzzing import Place, bent, drawn, fuzz
from openlookout.store.database import Database


def test_no_fuzzed_request_is_an_error_of_the_service() -> None:
    report = fuzz(3000, 1, n_each=4, round_requests=1500)
    assert report.faults == []
    assert report.n_requests == 3000
    assert set(report.outcomes) >= {"ok", "ValidationException", "SerializationException", "ResourceNotFoundException"}
    assert len(report.operations_ok) >= 15


def test_the_same_seed_sends_the_same_requests() -> None:
    there = Place(None, Database("sqlite:///none"), {"ModelName": ["m"], "ResourceArn": ["arn:a", "arn:b"]}, None)

    def sent(number: int) -> list[object]:
        base, hand = drawn(2, number), random.Random(number)
        return [bent(hand, base, there) for _ in range(300)]

    assert sent(5) == sent(5)
    assert sent(5) != sent(6)
