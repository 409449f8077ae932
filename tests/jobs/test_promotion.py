"""Promotion: the guide's table, in full."""

import pytest

from openlookout.jobs.promotion import REASON_CHARACTERS_MAX, Retrained, failed, promotion


def retrained(**more: object) -> Retrained:
    standard: dict[str, object] = {
        "was_labelled": True,
        "is_labelled": True,
        "quality": "QUALITY_THRESHOLD_MET",
        "skill": 1.0,
        "prior_skill": 0.5,
        "prior": 1,
    }
    return Retrained(**{**standard, **more})  # type: ignore[arg-type]


TABLE = {
    "labels both times, better": ({}, True, "better than version 1"),
    "labels both times, equal": ({"skill": 0.5}, False, "not better than version 1"),
    "labels both times, worse": ({"skill": 0.4}, False, "not better than version 1"),
    "labels both times, better though poor": ({"quality": "POOR_QUALITY_DETECTED"}, True, "better"),
    "labels before only": (
        {"is_labelled": False, "skill": None, "prior_skill": None},
        False,
        "no label lies in the new",
    ),
    "labels now only, good": ({"was_labelled": False}, True, "meets the quality threshold"),
    "labels now only, poor": (
        {"was_labelled": False, "quality": "POOR_QUALITY_DETECTED"},
        False,
        "does not meet the quality threshold",
    ),
    "no labels": ({"was_labelled": False, "is_labelled": False, "skill": None}, True, "Neither version has labels"),
    "the one before cannot be used": (
        {"is_labelled": False, "skill": None, "prior_skill": None, "is_prior_usable": False},
        True,
        "Version 1 was active and can no longer be used",
    ),
    "nothing active before": ({"prior": None, "prior_skill": None}, True, "No version was active before"),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_documented_table(name: str) -> None:
    more, is_promoted, said = TABLE[name]
    found = promotion(retrained(**more), "MANAGED")
    assert found.is_promoted == is_promoted
    assert found.result == ("MODEL_PROMOTED" if is_promoted else "MODEL_NOT_PROMOTED")
    assert said in found.reason
    assert len(found.reason) <= REASON_CHARACTERS_MAX


@pytest.mark.parametrize("name", TABLE)
def test_by_hand_nothing_that_is_active_is_replaced(name: str) -> None:
    more, _, _ = TABLE[name]
    found = promotion(retrained(**more), "MANUAL")
    assert found.is_promoted == ("prior" in more)


def test_a_failure_is_the_customers_or_ours_and_its_reason_fits() -> None:
    assert failed("x" * 300, is_ours=False).result == "RETRAINING_CUSTOMER_ERROR"
    assert failed("x", is_ours=True).result == "RETRAINING_INTERNAL_ERROR"
    assert len(failed("x" * 300, is_ours=False).reason) == REASON_CHARACTERS_MAX
