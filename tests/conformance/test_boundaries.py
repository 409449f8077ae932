"""Every constraint of the definition from both sides: at the boundary not refused for that member, beyond it refused."""

import pytest

from conformance.definition import Boundary, boundaries
from conformance.endpoint import Answer, Endpoint

from .conftest import Judge

BROKEN = "failed to satisfy constraint"
MEMBERS: dict[str, list[Boundary]] = {}
for _each in boundaries():
    MEMBERS.setdefault(f"{_each.operation}.{_each.member}", []).append(_each)


def refused_for(answer: Answer, member: str) -> bool:
    return answer.error == "ValidationException" and BROKEN in answer.message and f"'{member}'" in answer.message


@pytest.mark.parametrize("member", MEMBERS)
def test_a_constraint_refuses_what_is_beyond_it_and_nothing_at_it(
    endpoint: Endpoint, judge: Judge, member: str
) -> None:
    problems = []
    for boundary in MEMBERS[member]:
        if endpoint.way != "http" and boundary.path == ("ClientToken",) and "ClientToken" not in boundary.request:
            continue  # The client fills it in; over HTTP it is left out.
        answer = endpoint.send(boundary.operation, boundary.request)
        found = "refused" if refused_for(answer, boundary.member) else "failed" if answer.status >= 500 else "admitted"
        expected = "admitted" if boundary.is_admitted else "refused"
        if answer.error in {"SerializationException", "?"}:
            found = f"{answer.error}: {answer.message}"
        if found == "refused":
            judge.reaches(boundary.operation, "ValidationException")
        judge.reaches(boundary.operation, boundary.aspect)
        problems.append(judge.disagreement(boundary.name, "model", found, expected))
    assert [problem for problem in problems if problem] == []
