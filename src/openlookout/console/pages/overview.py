"""The overview: every asset on one page, worst first."""

from starlette.responses import Response

from openlookout.console.visit import Visit, page


@page("/")
def overview(visit: Visit) -> Response:
    """All models with their schedulers."""
    models = list(visit.listed("ListModels"))
    return visit.render("overview.html", models=models)
