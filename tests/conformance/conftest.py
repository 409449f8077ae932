"""The endpoint that is judged, in both ways, and the two figures at the end of a run."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.endpoint import CONFIG, Endpoint, over_http
from conformance.figures import CELLS, TRUTHS, WAYS
from conformance.known_divergences import KNOWN
from conformance.lived import LIVE_START, Lived, live_on
from conformance.plant import Plant, plant_on

ENDPOINT_VARIABLE = "OPENLOOKOUT_CONFORMANCE_ENDPOINT"
BUCKETS_VARIABLE = "OPENLOOKOUT_CONFORMANCE_BUCKETS"
NO_QUOTA_LEFT = {
    f"OPENLOOKOUT_LIMIT_{name}": "0"
    for name in ("DATASETS", "MODELS", "PENDING_INGESTIONS", "LABEL_GROUPS", "LABELS", "TAGS")
}


class Judge:
    """Notes which cells a test reaches and how the answers compare; a test holds one."""

    def __init__(self, request: pytest.FixtureRequest, way: str) -> None:
        self._properties, self._way = request.node.user_properties, way

    def reaches(self, operation: str, aspect: str) -> None:
        """Note that a cell was exercised."""
        assert (operation, aspect) in CELLS, f"{operation} has no aspect {aspect}"
        self._properties.append(("cell", [self._way, operation, aspect]))

    def compare(self, name: str, origin: str, found: Any, expected: Any) -> None:
        """Compare an answer with what it must be; `origin` says how that is known."""
        problem = self.disagreement(name, origin, found, expected)
        assert not problem, problem

    def disagreement(self, name: str, origin: str, found: Any, expected: Any) -> str:
        """Give what is wrong with a comparison, empty when nothing is: it agrees, or its divergence is known."""
        assert origin in (*TRUTHS, "decision"), origin
        agrees = found == expected
        self._properties.append(("judged", [self._way, name, origin, agrees]))
        if agrees and name in KNOWN:
            return f"{name} no longer diverges: take it from the list of known divergences"
        if agrees or name in KNOWN:
            return ""
        return f"{name} ({origin}): found {found!r}, expected {expected!r}"


@pytest.fixture(scope="session", params=WAYS)
def endpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The endpoint that the environment names, or a service of its own: a process over HTTP, and one without a socket."""
    given = os.environ.get(ENDPOINT_VARIABLE)
    if request.param == "http":
        if given:
            yield over_http(given)
            return
        from serving import serving  # noqa: PLC0415  # Only where no endpoint is given is there anything of ours.

        data = tmp_path_factory.mktemp("over-http")
        with serving(data) as process:
            yield _own(over_http(f"http://127.0.0.1:{process.port}", NO_KEYS, "us-east-1"), data)
        return
    if given:
        pytest.skip(f"{ENDPOINT_VARIABLE} names an endpoint: nothing runs in process")
    import openlookout  # noqa: PLC0415  # As above.

    data = tmp_path_factory.mktemp("in-process")
    with openlookout.local(data, region_name="us-east-1", config=CONFIG, **NO_KEYS) as client:
        yield _own(Endpoint("in process", client), data)


NO_KEYS = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
_BUCKETS: dict[int, Path] = {}


def _own(endpoint: Endpoint, data: Path) -> Endpoint:
    _BUCKETS[id(endpoint)] = data / "buckets"
    return endpoint


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Endpoint, Plant]]:
    """A service that has a plant, started again with quotas that leave room for nothing."""
    if os.environ.get(ENDPOINT_VARIABLE):
        pytest.skip("quotas cannot be set at an endpoint of others")
    from serving import serving  # noqa: PLC0415  # As above.

    data = tmp_path_factory.mktemp("full")
    with serving(data) as process:
        made = plant_on(over_http(f"http://127.0.0.1:{process.port}", NO_KEYS, "us-east-1"), data / "buckets")
        process.stop()
    with serving(data, environment=NO_QUOTA_LEFT) as process:
        yield over_http(f"http://127.0.0.1:{process.port}", NO_KEYS, "us-east-1"), made


@pytest.fixture(scope="module")  # Its engine is in this process, and a process has one: the next file's must find room.
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """A service whose clock the fixture set: a scheduler has run over hours with a fault in them."""
    if os.environ.get(ENDPOINT_VARIABLE):
        pytest.skip("the clock of an endpoint of others cannot be set")
    from conformance.service_in_time import running_in_time  # noqa: PLC0415  # As above.

    data = tmp_path_factory.mktemp("lived")
    with running_in_time(data, LIVE_START) as (port, set_clock):
        endpoint = over_http(f"http://127.0.0.1:{port}", NO_KEYS, "us-east-1")
        yield live_on(endpoint, data / "buckets", set_clock)


@pytest.fixture(scope="session")
def plant(endpoint: Endpoint) -> Plant:
    """A dataset with data, a model with versions, labels, schedulers: made once for each way."""
    buckets = _BUCKETS.get(id(endpoint)) or (
        Path(os.environ[BUCKETS_VARIABLE]) if os.environ.get(BUCKETS_VARIABLE) else None
    )
    return plant_on(endpoint, buckets)


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """What the test notes its comparisons with."""
    way = "http"
    if "endpoint" in request.fixturenames:
        way = request.getfixturevalue("endpoint").way
    return Judge(request, way)


@pytest.fixture
def unique() -> str:
    """A name that nothing has yet."""
    return f"t-{uuid.uuid4().hex}"
