"""Pages of any size are together the whole; a token is good for its own listing, unchanged, and for nothing else."""

from typing import Any

import pytest

from conformance.definition import LISTS, SERVICE, minimal_request
from conformance.endpoint import Endpoint
from conformance.lived import LIVE_START, N_HOURS, STEP, Lived
from conformance.plant import Plant
from conformance.successes import SUCCESSES

from .conftest import Judge

OF_INFERENCE = ("ListInferenceEvents", "ListInferenceExecutions")


def rows_member(operation: str) -> str:
    return next(name for name in SERVICE.operation_model(operation).output_shape.members if name != "NextToken")


def pages(endpoint: Endpoint, operation: str, request: dict[str, Any], size: int) -> tuple[list[Any], list[int], str]:
    """The rows, how many each page has, and the first token."""
    rows, sizes, first, token = [], [], "", {}
    while True:
        page = endpoint.done(operation, **request, MaxResults=size, **token)
        assert page.output is not None
        rows += page[rows_member(operation)]
        sizes.append(len(page[rows_member(operation)]))
        if "NextToken" not in page.output:
            return rows, sizes, first
        first = first or page["NextToken"]
        token = {"NextToken": page["NextToken"]}
        assert len(sizes) < 1000, "the pages do not end"


def judge_paging(endpoint: Endpoint, judge: Judge, operation: str, request: dict[str, Any]) -> None:
    whole = endpoint.done(operation, **request)
    assert whole.output is not None
    judge.compare(f"{operation}:whole", "notebook", "NextToken" in whole.output, False)
    rows = whole[rows_member(operation)]
    n = len(rows)
    assert n >= 2, f"{operation} has {n} rows: nothing to page"
    first = ""
    for size in range(1, n + 2):
        found, sizes, token = pages(endpoint, operation, request, size)
        first = first or token
        judge.compare(f"{operation}:pages of {size}", "document", found, rows)
        expected = [size] * (n // size) + [n % size] * (n % size > 0)
        judge.compare(f"{operation}:sizes of {size}", "decision", sizes, expected)
    changed = first[:-6] + ("A" if first[-6] != "A" else "B") + first[-5:]
    cut = first[: len(first) // 2]
    for what, token in (("changed", changed), ("cut", cut), ("not a token", "AAAA")):
        error = endpoint.call(operation, **request, MaxResults=1, NextToken=token).error
        judge.compare(f"{operation}:token {what}", "decision", error, "ValidationException")
    judge_foreign(endpoint, judge, operation, first)
    judge.reaches(operation, "paging")


def judge_foreign(endpoint: Endpoint, judge: Judge, operation: str, token: str) -> None:
    """The token with another operation."""
    other = "ListDatasets" if operation != "ListDatasets" else "ListModels"
    error = endpoint.call(other, **minimal_request(other), NextToken=token).error
    judge.compare(f"{operation}:token elsewhere", "decision", error, "ValidationException")


@pytest.mark.parametrize("operation", [name for name in LISTS if name not in OF_INFERENCE])
def test_pages_of_any_size_are_together_the_whole(
    endpoint: Endpoint, plant: Plant, judge: Judge, unique: str, operation: str
) -> None:
    judge_paging(endpoint, judge, operation, SUCCESSES[operation](endpoint, plant, unique))


@pytest.mark.parametrize("operation", OF_INFERENCE)
def test_pages_of_what_a_scheduler_did_are_together_the_whole(lived: Lived, judge: Judge, operation: str) -> None:
    request: dict[str, Any] = {"InferenceSchedulerName": lived.name}
    if operation == "ListInferenceEvents":
        request |= {"IntervalStartTime": LIVE_START, "IntervalEndTime": LIVE_START + N_HOURS * 6 * STEP}
    judge_paging(lived.endpoint, judge, operation, request)


@pytest.mark.parametrize("operation", [name for name in LISTS if name not in OF_INFERENCE])
def test_a_token_is_bound_to_its_filters(
    endpoint: Endpoint, plant: Plant, judge: Judge, unique: str, operation: str
) -> None:
    request = SUCCESSES[operation](endpoint, plant, unique)
    token = endpoint.done(operation, **request, MaxResults=1)["NextToken"]
    (member, value), *_ = request.items()
    others = {"DatasetName": f"{plant.mark}-empty-0", "LabelGroupName": f"{plant.mark}-more-0"}
    other = {**request, member: others.get(member, value + "-")}
    error = endpoint.call(operation, **other, MaxResults=1, NextToken=token).error
    judge.compare(f"{operation}:token with other filters", "decision", error, "ValidationException")
