"""Fixtures that several rooms share."""

from collections.abc import Iterator

import pytest

from served import Api, api_alone


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API alone: requests are answered, jobs wait in the queue for ever."""
    with api_alone(tmp_path_factory.mktemp("api")) as served:
        yield served
