"""ListModelVersions, the heart: every filter, page and member, through boto3, against a list comprehension."""

import http.client
import itertools
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openlookout.operations.listing import _statement
from openlookout.operations.model_versions import MODEL_VERSIONS
from openlookout.store.database import Database
from openlookout.store.tables import dataset, model, model_version
from served import ACCOUNT, REGION, Api

START = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = ("IN_PROGRESS", "SUCCESS", "FAILED", "IMPORT_IN_PROGRESS", "CANCELED")
SOURCES = ("TRAINING", "RETRAINING", "IMPORT")
FILTERS = ("Status", "SourceType", "CreatedAtStartTime", "CreatedAtEndTime", "MinModelVersion", "MaxModelVersion")
QUALITIES = (None, "QUALITY_THRESHOLD_MET", "CANNOT_DETERMINE_QUALITY", "POOR_QUALITY_DETECTED")

Version = dict[str, Any]

MILLISECOND = timedelta(milliseconds=1)
version_rows = st.fixed_dictionaries(
    {
        "status": st.sampled_from(STATUSES),
        "source_type": st.sampled_from(SOURCES),
        "quality": st.sampled_from(QUALITIES),
        "milliseconds_after": st.integers(1, 3000),
    }
)
versions = st.lists(version_rows, max_size=30)


@st.composite
def rows_and_filters(draw: st.DrawFn) -> tuple[list[Version], dict[str, Any]]:
    """A model's versions, many or few, and filters whose bounds lie on them, between them and just beside them."""
    n = draw(st.integers(0, 25))
    rows = dated(draw(st.lists(version_rows, min_size=n, max_size=n)))
    last = int((rows[-1]["created_at"] - START) / MILLISECOND) if rows else 1000
    moments = st.one_of(
        st.integers(-1, last + 1).map(lambda ms: START + ms * MILLISECOND),
        st.sampled_from([row["created_at"] for row in rows] or [START]),
    )
    bounds = st.integers(1, n + 2)
    given = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "Status": st.sampled_from(STATUSES),
                "SourceType": st.sampled_from(SOURCES),
                "CreatedAtStartTime": moments,
                "CreatedAtEndTime": moments,
                "MinModelVersion": bounds,
                "MaxModelVersion": bounds,
            },
        )
    )
    return rows, given


each_example_makes_its_own = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def make_model(api: Api, rows: list[Version], account: str = ACCOUNT, region: str = REGION) -> tuple[str, str]:
    """Put a model with these versions into the database; give name and id."""
    name, identity, source = f"m-{uuid.uuid4().hex}", str(uuid.uuid4()), str(uuid.uuid4())
    with api.database.writing() as connection:
        place = {"account": account, "region": region, "created_at": START, "updated_at": START}
        connection.execute(
            dataset.insert(),
            {
                "id": source,
                "name": f"d-{source}",
                "status": "ACTIVE",
                "schema_given": False,
                "data_schema": "{}",
                **place,
            },
        )
        connection.execute(
            model.insert(), {"id": identity, "name": name, "dataset_id": source, "status": "SUCCESS", **place}
        )
        add_versions(api, identity, rows, connection)
    return name, identity


def add_versions(api: Api, identity: str, rows: list[Version], connection: Any, first: int = 1) -> None:
    for number, row in enumerate(rows, first):
        connection.execute(
            model_version.insert(),
            {
                "model_id": identity,
                "version": number,
                "created_at": row["created_at"],
                "updated_at": row["created_at"],
                "status": row["status"],
                "source_type": row["source_type"],
                "quality": row["quality"],
                "attempt": 0,
                "configuration": {},
                "data_schema": "{}",
            },
        )


def dated(rows: list[Version]) -> list[Version]:
    at, made = START, []
    for row in rows:
        at += timedelta(milliseconds=row["milliseconds_after"])
        made.append({**row, "created_at": at})
    return made


def plain(n: int) -> list[Version]:
    return dated([{"status": "SUCCESS", "source_type": "TRAINING", "quality": None, "milliseconds_after": 1000}] * n)


def naive(rows: list[Version], given: dict[str, Any]) -> list[int]:
    """The slow, obvious twin of the filters."""
    return [
        number
        for number, row in enumerate(rows, 1)
        if ("Status" not in given or row["status"] == given["Status"])
        and ("SourceType" not in given or row["source_type"] == given["SourceType"])
        and ("CreatedAtStartTime" not in given or row["created_at"] > given["CreatedAtStartTime"])
        and ("CreatedAtEndTime" not in given or row["created_at"] < given["CreatedAtEndTime"])
        and ("MinModelVersion" not in given or number >= given["MinModelVersion"])
        and ("MaxModelVersion" not in given or number <= given["MaxModelVersion"])
    ]


def pages(client: Any, name: str, sizes: list[int], given: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Follow NextToken to its end; page i asks for sizes[i], the last size again and again."""
    got, more = [], {}
    while True:
        size = sizes[min(len(got), len(sizes) - 1)]
        answer = client.list_model_versions(ModelName=name, MaxResults=size, **given, **more)
        got.append(answer["ModelVersionSummaries"])
        if "NextToken" not in answer:
            return got
        more = {"NextToken": answer["NextToken"]}


def raw(api: Api, body: dict[str, Any], **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", api.port)
    target = {"X-Amz-Target": "AWSLookoutEquipmentFrontendService.ListModelVersions"}
    connection.request("POST", "/", json.dumps(body), target | headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


@each_example_makes_its_own
@given(drawn=rows_and_filters(), sizes=st.lists(st.integers(1, 12), min_size=1, max_size=4))
def test_pages_of_any_size_concatenate_to_the_naive_filter(
    api: Api, drawn: tuple[list[Version], dict[str, Any]], sizes: list[int]
) -> None:
    rows, given = drawn
    name, _ = make_model(api, rows)
    got = pages(api.client, name, sizes, given)
    assert [summary["ModelVersion"] for page in got for summary in page] == naive(rows, given)
    assert all(len(page) == sizes[min(i, len(sizes) - 1)] for i, page in enumerate(got[:-1]))


def test_every_value_of_every_filter_and_of_every_pair_gives_the_naive_filter(api: Api) -> None:
    """Exhaustive on seven versions: each bound before, on, between and after them."""
    rows = dated(
        [
            {"status": STATUSES[i % 3], "source_type": SOURCES[i % 2], "quality": None, "milliseconds_after": 1000}
            for i in range(7)
        ]
    )
    name, _ = make_model(api, rows)
    times = [START + timedelta(seconds=i, milliseconds=ms) for i in (0, 1, 4, 7) for ms in (0, 500)]
    values: dict[str, list[Any]] = {
        "Status": list(STATUSES[:4]),
        "SourceType": list(SOURCES),
        "CreatedAtStartTime": times,
        "CreatedAtEndTime": times,
        "MinModelVersion": [1, 2, 4, 7, 8],
        "MaxModelVersion": [1, 2, 4, 7, 8],
    }
    alone = [{member: value} for member, some in values.items() for value in some]
    pairs = [{a: x, b: y} for a, b in itertools.combinations(values, 2) for x in values[a] for y in values[b]]
    for filters in [*alone, *pairs]:
        got = api.client.list_model_versions(ModelName=name, **filters)["ModelVersionSummaries"]
        assert [summary["ModelVersion"] for summary in got] == naive(rows, filters), filters


@each_example_makes_its_own
@given(rows=versions.map(dated))
def test_every_member_of_a_summary_is_what_the_row_says(api: Api, rows: list[Version]) -> None:
    name, identity = make_model(api, rows)
    arn = f"arn:aws:lookoutequipment:{REGION}:{ACCOUNT}:model/{name}/{identity}"
    expected = [
        {
            "ModelName": name,
            "ModelArn": arn,
            "ModelVersion": number,
            "ModelVersionArn": f"{arn}/model-version/{number}",
            "CreatedAt": row["created_at"],
            "Status": row["status"],
            "SourceType": row["source_type"],
        }
        | ({"ModelQuality": row["quality"]} if row["quality"] else {})
        for number, row in enumerate(rows, 1)
    ]
    assert [summary for page in pages(api.client, name, [500], {}) for summary in page] == expected


@each_example_makes_its_own
@given(rows=versions.map(dated), offset=st.integers(-2, 2), pick=st.integers(0, 29))
def test_created_at_bounds_are_exclusive_to_the_microsecond(
    api: Api, rows: list[Version], offset: int, pick: int
) -> None:
    if not rows:
        return
    name, _ = make_model(api, rows)
    at = rows[pick % len(rows)]["created_at"] + timedelta(microseconds=offset)
    for member in ("CreatedAtStartTime", "CreatedAtEndTime"):
        got = api.client.list_model_versions(ModelName=name, **{member: at})["ModelVersionSummaries"]
        assert [summary["ModelVersion"] for summary in got] == naive(rows, {member: at})


def test_fifty_rows_come_without_max_results_and_five_hundred_at_most(api: Api) -> None:
    name, _ = make_model(api, plain(501))
    answer = api.client.list_model_versions(ModelName=name)
    assert len(answer["ModelVersionSummaries"]) == 50
    assert len(api.client.list_model_versions(ModelName=name, MaxResults=500)["ModelVersionSummaries"]) == 500
    with pytest.raises(ClientError, match="less than or equal to 500"):
        api.client.list_model_versions(ModelName=name, MaxResults=501)
    with pytest.raises(ClientError, match="greater than or equal to 1"):
        api.client.list_model_versions(ModelName=name, MaxResults=0)


def test_next_token_is_absent_when_the_last_page_is_exactly_full(api: Api) -> None:
    name, _ = make_model(api, plain(4))
    assert [len(page) for page in pages(api.client, name, [2], {})] == [2, 2]
    assert "NextToken" not in api.client.list_model_versions(ModelName=name, MaxResults=4)


def test_versions_added_between_two_pages_are_neither_lost_nor_repeated(api: Api) -> None:
    name, identity = make_model(api, plain(3))
    first = api.client.list_model_versions(ModelName=name, MaxResults=2)
    with api.database.writing() as connection:
        add_versions(api, identity, plain(5)[3:], connection, first=4)
    rest = api.client.list_model_versions(ModelName=name, MaxResults=9, NextToken=first["NextToken"])
    assert [v["ModelVersion"] for v in rest["ModelVersionSummaries"]] == [3, 4, 5]


@pytest.mark.parametrize("change", ["filter", "model", "region", "operation", "letter"])
def test_a_token_fits_only_the_listing_that_issued_it(api: Api, change: str) -> None:
    name, _ = make_model(api, plain(3))
    other, _ = make_model(api, plain(3))
    token = api.client.list_model_versions(ModelName=name, MaxResults=1)["NextToken"]
    request: dict[str, Any] = {"ModelName": name, "NextToken": token}
    client, call = api.client, "list_model_versions"
    if change == "filter":
        request["MinModelVersion"] = 1
    elif change == "model":
        request["ModelName"] = other
    elif change == "region":
        client = api.connect(region="eu-west-1")
    elif change == "operation":
        call, request = "list_models", {"NextToken": token}
    else:
        request["NextToken"] = token[:-3] + ("A" if token[-3] != "A" else "B") + token[-2:]
    with pytest.raises(ClientError) as refused:
        getattr(client, call)(**request)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert "NextToken" in refused.value.response["Error"]["Message"]


def test_a_token_that_was_never_issued_is_refused(api: Api) -> None:
    for token in ("x", "====", "A" * 8192, "1"):
        status, answer = raw(api, {"ModelName": "m", "NextToken": token})
        assert (status, answer["__type"]) == (400, "ValidationException")


def test_an_unknown_model_and_no_model_have_an_empty_list(api: Api) -> None:
    make_model(api, plain(2))
    assert api.client.list_model_versions(ModelName="never-made")["ModelVersionSummaries"] == []
    assert raw(api, {}) == (200, {"ModelVersionSummaries": []})
    assert raw(api, {"Status": "SUCCESS"}) == (200, {"ModelVersionSummaries": []})


def test_a_model_of_another_account_or_region_has_an_empty_list(api: Api) -> None:
    other_region, _ = make_model(api, plain(2), region="eu-west-1")
    other_account, _ = make_model(api, plain(2), account="999999999999")
    for name in (other_region, other_account):
        assert api.client.list_model_versions(ModelName=name)["ModelVersionSummaries"] == []
    in_region = api.connect(region="eu-west-1").list_model_versions(ModelName=other_region)
    assert len(in_region["ModelVersionSummaries"]) == 2


def test_a_version_beyond_the_databases_integers_is_a_filter_like_any_other(api: Api) -> None:
    name, _ = make_model(api, plain(2))
    assert raw(api, {"ModelName": name, "MinModelVersion": 10**30}) == (200, {"ModelVersionSummaries": []})
    status, answer = raw(api, {"ModelName": name, "MaxModelVersion": 10**30})
    assert (status, len(answer["ModelVersionSummaries"])) == (200, 2)


def test_every_wrong_member_is_named_in_one_answer(api: Api) -> None:
    status, answer = raw(
        api, {"ModelName": "a b", "Status": "DONE", "SourceType": "x", "MinModelVersion": 0, "MaxResults": 501}
    )
    assert status == 400
    assert answer["Message"].startswith("5 validation errors detected: Value 'a b' at 'modelName' failed to satisfy")
    for member in ("status", "sourceType", "minModelVersion", "maxResults"):
        assert f"at '{member}' failed to satisfy constraint" in answer["Message"]


def test_a_page_is_read_from_an_index_alone_whatever_its_filters(tmp_path: Path) -> None:
    """As SQLite plans it; PostgreSQL plans by how many rows there are."""
    database = Database(f"sqlite:///{tmp_path / 'openlookout.db'}")
    database.migrate()
    subsets = [frozenset(chosen) for n in range(4) for chosen in itertools.combinations(FILTERS, n)]
    with database.reading() as connection:
        driver: Any = connection.connection.driver_connection
        for given, is_continued in itertools.product(subsets, (False, True)):
            sql = str(_statement(MODEL_VERSIONS, given, is_continued, database.extremes).compile(connection.engine))
            plan = [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?"))]
            read = [step for step in plan if step.startswith(("SEARCH model_version", "SCAN"))]
            assert len(read) == 1, (given, plan)
            assert "USING COVERING INDEX" in read[0], (given, plan)
            assert not any("TEMP B-TREE" in step for step in plan), (given, plan)
    database.close()
