"""The overview: every asset on one page, worst first."""

from collections import Counter

from starlette.responses import Response

from openlookout.console.charts import sparkline
from openlookout.console.ports import STATES
from openlookout.console.rendering import number
from openlookout.console.visit import Visit, page

ASSETS_A_PAGE = 50
ALARM_SCORE = 0.5  # Above it a row is anomalous.


@page("/")
def overview(visit: Visit) -> Response:
    """The assets that the address asks for: by a part of the name, by state, a page of them."""
    every = visit.console.views.assets(visit.caller, visit.now())
    wanted, state = visit.query.get("q", "").strip().lower(), visit.query.get("state", "")
    found = [one for one in every if wanted in one.model.lower() and (not state or one.state == state)]
    first = max(visit.query_number("first", 0), 0)
    shown = found[first : first + ASSETS_A_PAGE]
    names = [one.scheduler for one in shown if one.scheduler is not None]
    sparks = visit.console.views.sparks(visit.caller, names, visit.now()) if names else {}
    counts = Counter(one.state for one in every)
    return visit.render(
        "overview.html",
        assets=[(one, _spark(sparks.get(one.scheduler or ""))) for one in shown],
        n_assets=len(every),
        n_found=len(found),
        counts=[(name, counts[name]) for name in STATES if counts[name]],
        state=state,
        wanted=visit.query.get("q", ""),
        first=first,
        following=first + ASSETS_A_PAGE if first + ASSETS_A_PAGE < len(found) else None,
        before=max(first - ASSETS_A_PAGE, 0) if first else None,
        has_datasets=bool(every) or bool(visit.call("ListDatasets", MaxResults=1)["DatasetSummaries"]),
    )


def _spark(values: list[float | None] | None) -> object:
    if not values or all(value is None for value in values):
        return None
    scored = [value for value in values if value is not None]
    said = (
        f"Score of the last 7 days: highest {number(max(scored))}, latest {number(scored[-1])}, "
        f"above {ALARM_SCORE} in {sum(value > ALARM_SCORE for value in scored)} of {len(scored)} steps of 3 hours"
    )
    return sparkline(values, said, ALARM_SCORE)
