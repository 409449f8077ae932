"""The suite's two figures, from what its tests noted: printed at the end of a run, whoever ran the tests."""

from collections.abc import Mapping
from typing import Any

from conformance.cells import cells, unreachable
from conformance.known_divergences import KNOWN

WAYS = ("http", "in process")
TRUTHS = ("model", "document", "notebook")
CELLS = cells()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print coverage and divergence: two figures, never added."""
    properties = [
        found
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for found in report.user_properties
    ]
    reached = {tuple(value) for name, value in properties if name == "cell"}
    judged: dict[tuple[str, str, str], bool] = {}
    for name, value in properties:
        if name == "judged":
            way, case, origin, agrees = value
            judged[way, case, origin] = judged.get((way, case, origin), True) and agrees
    if not judged:
        return
    write = terminalreporter.write_line
    terminalreporter.section("conformance")
    for way in WAYS:
        there = {(operation, aspect) for found, operation, aspect in reached if found == way}
        write(f"coverage, {way}: {len(there)} of {len(CELLS)} cells")
        _say_missing(write, way, CELLS - there)
    write(f"no client can provoke {len(unreachable())} listed exceptions: {_by_reason(unreachable())}")
    _say_divergence(write, judged)


def _say_missing(write: Any, way: str, missing: set[tuple[str, str]]) -> None:
    if missing and len(missing) < 60:
        write(f"  not covered {way}: " + ", ".join(f"{operation} {aspect}" for operation, aspect in sorted(missing)))


def _by_reason(reasons: Mapping[tuple[str, str], str]) -> str:
    counted: dict[str, int] = {}
    for reason in reasons.values():
        counted[reason] = counted.get(reason, 0) + 1
    return "; ".join(f"{n} because {reason}" for reason, n in counted.items())


def _say_divergence(write: Any, judged: Mapping[tuple[str, str, str], bool]) -> None:
    for origins, what in ((TRUTHS, "divergence"), (("decision",), "decisions not kept")):
        mine = {key: agrees for key, agrees in judged.items() if key[2] in origins}
        differing = sorted({(name, origin) for (_, name, origin), agrees in mine.items() if not agrees})
        n_differing = sum(not agrees for agrees in mine.values())
        write(f"{what}: {n_differing} of {len(mine)} answers")
        for name, origin in differing:
            write(f"  {name} ({origin}): {KNOWN.get(name, 'NOT KNOWN')}")
