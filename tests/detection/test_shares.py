"""How what members say of sensors is mixed into shares."""

import numpy as np
import pytest

from openlookout.detection.ensemble import _contribution

SHARES = [np.array([[3.0, 1.0, 0.0]]), np.array([[0.0, 2.0, 2.0]]), np.array([[0.0, 0.0, 9.0]])]


def mixed(weights: list[float], missing: list[bool]) -> list[float]:
    return _contribution(list(SHARES), np.array([weights]), np.array([missing]))[0].tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("weights", "missing", "shares"),
    [
        ([1, 0, 0], [False, False, False], [0.75, 0.25, 0]),
        ([0, 1, 0], [False, False, False], [0, 0.5, 0.5]),
        ([1, 1, 0], [False, False, False], [0.375, 0.375, 0.25]),
        ([1, 3, 0], [False, False, False], [0.1875, 0.4375, 0.375]),
        ([1, 0, 0], [True, False, False], [0, 1, 0]),
        ([1, 1, 0], [False, True, False], [0.5, 0, 0.5]),
        ([0, 0, 0], [False, True, False], [0.5, 0, 0.5]),
        ([1, 1, 1], [True, True, True], [0, 0, 0]),
    ],
)
def test_members_share_by_weight_and_what_has_no_reading_has_no_share(
    weights: list[float], missing: list[bool], shares: list[float]
) -> None:
    assert mixed(weights, missing) == pytest.approx(shares)


def test_every_row_is_mixed_by_its_own_weights_however_many_there_are() -> None:
    n = 500
    weights = np.column_stack([np.arange(n) % 2, 1 - np.arange(n) % 2]).astype(float)
    found = _contribution([np.tile(each, (n, 1)) for each in SHARES[:2]], weights, np.zeros((n, 3), bool))
    assert found[1::2] == pytest.approx(np.tile([0.75, 0.25, 0], (n // 2, 1)))
    assert found[::2] == pytest.approx(np.tile([0, 0.5, 0.5], (n // 2, 1)))
