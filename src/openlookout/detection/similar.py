"""How alike two events are, by their evidence: which sensors led, in which direction, and of what kind they were."""

from collections.abc import Sequence

import numpy as np

from openlookout.detection.contract import Floats
from openlookout.detection.evidence_record import Evidence

# Events of different kinds are alike at most by this share, whatever led them.
OTHER_KIND = 0.5


def similarity(first: Evidence, second: Evidence) -> float:
    """From 0, nothing in common, to 1: the same sensors led by the same shares in the same directions."""
    return float(similarities(first, [second])[0])


def similarities(record: Evidence, others: Sequence[Evidence]) -> Floats:
    """(n_others,): how alike each is to the record; 1 for the record itself."""
    column = {key: k for k, key in enumerate(dict.fromkeys(key for each in (record, *others) for key in _shares(each)))}
    profiles = np.zeros((1 + len(others), len(column)))
    for row, each in enumerate((record, *others)):
        for key, share in _shares(each).items():
            profiles[row, column[key]] = share
    # Roots of shares are unit vectors (Hellinger): one leading sensor does not hide that the others differ.
    roots = np.sqrt(profiles)
    size = np.sqrt((roots**2).sum(axis=1))
    alike = (roots[1:] @ roots[0]) / np.maximum(size[1:] * size[0], 1e-300)
    same_kind = np.array([each["kind"] == record["kind"] for each in others], bool)
    alike_of_kind: Floats = np.minimum(alike, 1.0) * np.where(same_kind, 1.0, OTHER_KIND)
    return alike_of_kind


def _shares(record: Evidence) -> dict[tuple[str, int], float]:
    """Contributions by sensor and direction: +1 above what was expected, -1 below, 0 unknown."""
    found = {}
    for each in record["sensors"]:
        measured, expected = each["measured"], each["expected"]
        direction = 0 if measured is None or expected is None else int(np.sign(measured - expected))
        found[each["sensor"], direction] = max(each["contribution"], 0.0)
    return found
