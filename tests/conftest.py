"""Fixtures that several rooms share."""

from collections.abc import Iterator

import pytest

from conformance.figures import pytest_terminal_summary
from postgres import postgresql_in
from served import Api, api_alone

# The hook is for the process that reports: with several test processes it loads no conftest but this one.
__all__ = ["api", "pytest_terminal_summary"]


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API alone, on each kind of database: requests are answered, jobs wait in the queue for ever."""
    folder = tmp_path_factory.mktemp("api")
    if request.param == "sqlite":
        with api_alone(f"sqlite:///{folder / 'openlookout.db'}") as served:
            yield served
        return
    server = postgresql_in(folder / "postgresql")
    try:
        with api_alone(server.get_uri()) as served:
            yield served
    finally:
        server.cleanup()
