"""The installed model keeps boto3 working when botocore has none of its own, and brings paginators and waiters."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from openlookout.api.client_model import LIST_RESULTS, WAITERS, install
from openlookout.api.definition import definition
from served import Api

# Runs in a child: hides botocore's own copy of the service, as a later botocore will.
HIDING = """
import pathlib, sys
import botocore.loaders

real = botocore.loaders.JSONFileLoader
class WithoutOurs(real):
    def exists(self, path):
        return "botocore/data/lookoutequipment" not in pathlib.Path(path).as_posix() and super().exists(path)
    def load_file(self, path):
        hidden = "botocore/data/lookoutequipment" in pathlib.Path(path).as_posix()
        return None if hidden else super().load_file(path)
listed = botocore.loaders.os.listdir
botocore.loaders.os.listdir = lambda path: [
    name for name in listed(path) if not (name == "lookoutequipment" and path.endswith("botocore/data"))
]
botocore.loaders.Loader.FILE_LOADER_CLASS = WithoutOurs
"""
CLIENT = """
import boto3
def client():
    return boto3.client("lookoutequipment", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
"""


def run(code: str, port: int | None, *, is_hidden: bool = True, **environment: str) -> str:
    known = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    endpoint = {} if port is None else {"AWS_ENDPOINT_URL_LOOKOUTEQUIPMENT": f"http://127.0.0.1:{port}"}
    done = subprocess.run(
        [sys.executable, "-c", (HIDING if is_hidden else "") + CLIENT + code],
        env=known | endpoint | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def test_without_the_installed_model_the_service_is_unknown(api: Api, tmp_path: Path) -> None:
    assert "Unknown service: 'lookoutequipment'" in run("client()", api.port, HOME=str(tmp_path))


@pytest.mark.parametrize("variant", ["home", "data path"])
def test_with_it_an_unmodified_client_pages_and_waits(api: Api, tmp_path: Path, variant: str) -> None:
    if variant == "home":
        install(tmp_path / ".aws" / "models")
        environment = {"HOME": str(tmp_path)}
    else:
        install(tmp_path / "models")
        environment = {"AWS_DATA_PATH": str(tmp_path / "models"), "HOME": str(tmp_path / "nobody")}
    prefix = f"p{uuid.uuid4().hex}"
    for number in range(3):
        api.client.create_dataset(DatasetName=f"{prefix}-{number}")
    code = f"""
c = client()
pages = c.get_paginator("list_datasets").paginate(DatasetNameBeginsWith={prefix!r}, PaginationConfig={{"PageSize": 1}})
names = [row["DatasetName"][-1] for page in pages for row in page["DatasetSummaries"]]
try:
    c.get_waiter("dataset_active").wait(DatasetName={prefix + "-0"!r})
except Exception as error:
    print(names, "terminal failure" in str(error), c.waiter_names)
"""
    assert run(code, api.port, **environment) == f"['0', '1', '2'] True {sorted(WAITERS)}"


def test_it_wins_over_botocores_own_copy(tmp_path: Path) -> None:
    code = "c = client(); print(c.can_paginate('list_model_versions'), len(c.waiter_names))"
    assert run(code, None, is_hidden=False, HOME=str(tmp_path)) == "False 0"
    install(tmp_path / ".aws" / "models")
    assert run(code, None, is_hidden=False, HOME=str(tmp_path)) == f"True {len(WAITERS)}"


def test_without_an_endpoint_rule_set_the_host_is_that_of_the_region(tmp_path: Path) -> None:
    install(tmp_path)
    host = run("print(client().meta.endpoint_url)", None, AWS_DATA_PATH=str(tmp_path), HOME=str(tmp_path / "nobody"))
    assert host == "https://lookoutequipment.us-east-1.amazonaws.com"


def test_installing_twice_changes_nothing_and_leaves_nothing_else(tmp_path: Path) -> None:
    folder = install(tmp_path)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert install(tmp_path) == folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert sorted(first) == ["paginators-1.json", "service-2.json", "waiters-2.json"]


def test_every_paged_operation_has_a_paginator_and_its_result_is_a_list() -> None:
    shapes, operations = definition()["shapes"], definition()["operations"]
    paged = {name for name, op in operations.items() if "NextToken" in shapes[op["input"]["shape"]]["members"]}
    assert paged == set(LIST_RESULTS)
    for name, result in LIST_RESULTS.items():
        target = shapes[operations[name]["output"]["shape"]]["members"][result]["shape"]
        assert shapes[target]["type"] == "list"


def test_every_waiter_waits_for_statuses_that_its_operation_can_answer() -> None:
    shapes, operations = definition()["shapes"], definition()["operations"]
    for operation, wanted, lost, _, _ in WAITERS.values():
        status = shapes[operations[operation]["output"]["shape"]]["members"]["Status"]["shape"]
        assert {wanted, *lost} <= set(shapes[status]["enum"])
