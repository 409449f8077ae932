"""Promotion: whether a retrained version becomes the active one, by the documented table, and the reason in words.

Guide, "Retraining your model": labels when the old one was trained / labels now: yes/yes the better of the two on the
new range; yes/no the old; no/yes the new, if it meets the quality threshold; no/no the new.
"""

from dataclasses import dataclass

REASON_CHARACTERS_MAX = 256  # AutoPromotionResultReason.


@dataclass(frozen=True)
class Promotion:
    """What a retraining came to: AutoPromotionResult and its reason."""

    result: str
    reason: str

    @property
    def is_promoted(self) -> bool:
        return self.result == "MODEL_PROMOTED"


@dataclass(frozen=True)
class Retrained:
    """`was_labelled`, `is_labelled`: labels when the version before was trained, and now. `skill`s: of the new and of
    the version before on the new range, None where there are no labels. `prior`: the version active before, if any;
    `is_prior_usable`: whether this release can still score with it.
    """

    was_labelled: bool
    is_labelled: bool
    quality: str
    skill: float | None
    prior_skill: float | None
    prior: int | None
    is_prior_usable: bool = True


def promotion(retrained: Retrained, mode: str) -> Promotion:
    """Decide; in mode MANUAL nothing that is active is replaced."""
    if retrained.prior is None:
        return _taken("No version was active before.")
    if mode == "MANUAL":
        return _kept("The retraining scheduler's PromoteMode is MANUAL; activate the version by hand.")
    if not retrained.is_prior_usable:  # It detects nothing any more, so there is nothing to be better than.
        return _taken(f"Version {retrained.prior} was active and can no longer be used: it was not compared with.")
    return _TABLE[retrained.was_labelled, retrained.is_labelled](retrained)


def _old_labels_only(_: Retrained) -> Promotion:
    return _kept("The active version was trained with labels, and no label lies in the new range to compare by.")


def _no_labels(_: Retrained) -> Promotion:
    return _taken("Neither version has labels; the one trained on newer data is taken.")


def _new_labels_only(retrained: Retrained) -> Promotion:
    if retrained.quality == "QUALITY_THRESHOLD_MET":
        return _taken("The new version meets the quality threshold on the labels of the new range.")
    return _kept("The new version does not meet the quality threshold on the labels of the new range.")


def _labels_both_times(retrained: Retrained) -> Promotion:
    assert retrained.skill is not None
    if retrained.prior_skill is None or retrained.skill > retrained.prior_skill:
        return _taken(f"On the new range it is better than version {retrained.prior}.")
    return _kept(f"On the new range it is not better than version {retrained.prior}.")


# Labels when the version before was trained, labels now.
_TABLE = {
    (True, True): _labels_both_times,
    (True, False): _old_labels_only,
    (False, True): _new_labels_only,
    (False, False): _no_labels,
}


def failed(reason: str, *, is_ours: bool) -> Promotion:
    """A retraining that made no version: by the customer's data, or by an error of ours."""
    result = "RETRAINING_INTERNAL_ERROR" if is_ours else "RETRAINING_CUSTOMER_ERROR"
    return Promotion(result, reason[:REASON_CHARACTERS_MAX])


def _taken(reason: str) -> Promotion:
    return Promotion("MODEL_PROMOTED", reason)


def _kept(reason: str) -> Promotion:
    return Promotion("MODEL_NOT_PROMOTED", reason)
