"""Targets of the suite, and its two figures: coverage (cells that were exercised) and divergence (from goldens)."""

from collections.abc import Iterator
from typing import Any

import pytest

from conformance.cells import CELLS, DIVERGENCES, NOT_PROVOKED
from conformance.world import Target, from_environment, in_process, over_http

_CELLS, _DIVERGENCES = "conformance cell", "conformance divergence"


@pytest.fixture(scope="session", params=["http", "in process"])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A service to judge: the one of the environment, or ours as a process and inside this one."""
    given = from_environment()
    if given is not None:
        if request.param != "http":
            pytest.skip("the endpoint of the environment is reached over HTTP only")
        yield given
        return
    make = over_http if request.param == "http" else in_process
    with make(tmp_path_factory.mktemp("conformance")) as made:
        yield made


@pytest.fixture
def cell(request: pytest.FixtureRequest, record_property: Any) -> Any:
    """Note that a cell (operation, aspect) is exercised by a test that passes."""

    def note(operation: str, aspect: str) -> None:
        assert (operation, aspect) in CELLS, f"{operation} has no {aspect}"
        record_property(_CELLS, f"{operation} {aspect}")

    return note


@pytest.fixture
def diverges(record_property: Any) -> Any:
    """Note a known divergence that was seen; one that is not listed, or listed and not seen, fails."""

    def note(name: str) -> None:
        assert name in DIVERGENCES, f"'{name}' is not listed as a known divergence"
        record_property(_DIVERGENCES, name)

    return note


_seen: dict[str, set[str]] = {_CELLS: set(), _DIVERGENCES: set()}
_n_goldens: set[str] = set()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed and "conformance/" in report.nodeid:
        for name, value in report.user_properties:
            if name in _seen:
                _seen[name].add(str(value))
        if "test_goldens" in report.nodeid:
            _n_goldens.add(report.nodeid.partition("[")[0] + report.nodeid.rpartition("-")[2])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _seen[_CELLS]:
        return
    n = len(_seen[_CELLS])
    terminalreporter.write_line(
        f"conformance: coverage {n} of {len(CELLS)} cells ({n / len(CELLS):.1%}), "
        f"{len(NOT_PROVOKED)} more cannot be provoked by a client; "
        f"divergence {len(_seen[_DIVERGENCES])} of {len(_n_goldens)} goldens"
    )
    missing = sorted(" ".join(each) for each in CELLS if " ".join(each) not in _seen[_CELLS])
    if missing and len(missing) < 40:
        terminalreporter.write_line("not exercised: " + ", ".join(missing))
