"""What is in deploy/ fits what there is: commands, options, settings, ports, probes. No engine runs it here."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from openlookout.app.api import VERSION
from openlookout.app.worker import SHUTDOWN_SECONDS, queues
from openlookout.cli import app
from openlookout.limits import Limits
from openlookout.settings import ENVIRONMENT_PREFIX, Settings
from openlookout.wire.probes import Probes, create_probes

DEPLOY = Path(__file__).parents[1] / "deploy"
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # It is a group.
SETTINGS = {ENVIRONMENT_PREFIX + field.name.upper() for field in fields(Settings)}
SETTINGS |= {f"{ENVIRONMENT_PREFIX}LIMIT_{field.name.upper()}" for field in fields(Limits)}
PATHS = {route.path for route in create_probes(Probes("0", dict, dict)).routes}  # type: ignore[attr-defined]


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            yield path.name, document


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def pods() -> dict[str, dict[str, Any]]:
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for _, each in manifests()
        if "template" in each.get("spec", {})
    }


def check_command(arguments: list[str]) -> dict[str, Any]:
    """Give the options of a command line of ours, as the command line itself reads them."""
    read = COMMANDS[arguments[0]].make_context("openlookout", arguments[1:])
    return dict(read.params)


def ours() -> dict[str, dict[str, Any]]:
    """The services of the compose file that run our command."""
    services = compose()["services"]
    return {
        name: service
        for name, service in services.items()
        if service.get("image") == "openlookout" and "entrypoint" not in service
    }


def test_the_command_lines_are_ours() -> None:
    lines = [service["command"] for service in ours().values()]
    lines += [container["args"] for pod in pods().values() for container in pod["containers"]]
    assert {line[0] for line in lines} == {"api", "worker", "migrate"}
    for line in lines:
        options = check_command(line)
        assert options.get("phase", "pre") in {"pre", "post"}
        named = [name for name in (options.get("queues") or "").split(",") if name]
        assert set(named) <= {queue.name for queue in queues(1)}


def test_the_settings_are_ours() -> None:
    told = set(compose()["x-openlookout"]["environment"])
    for _, each in manifests():
        if each["kind"] == "ConfigMap":
            told |= set(each["data"])
    for pod in pods().values():
        told |= {variable["name"] for container in pod["containers"] for variable in container.get("env", [])}
    said = re.findall(r"OPENLOOKOUT_[A-Z0-9_]+", "".join(path.read_text() for path in DEPLOY.rglob("*.yaml")))
    assert {name for name in (*told, *said) if name.startswith(ENVIRONMENT_PREFIX)} <= SETTINGS
    assert {name for name in told if not name.startswith(ENVIRONMENT_PREFIX)} <= {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    }


@pytest.mark.parametrize("name", ["openlookout-api", "openlookout-worker"])
def test_probes_ask_what_is_there_on_the_port_that_is_listened_on(name: str) -> None:
    (container,) = pods()[name]["containers"]
    options = check_command(container["args"])
    port = options.get("probe_port") or options["port"]
    assert [each["containerPort"] for each in container["ports"]] == [port]
    for kind, path in {"livenessProbe": "/healthz", "readinessProbe": "/readyz", "startupProbe": "/healthz"}.items():
        asked = container[kind]["httpGet"]
        assert asked == {"path": path, "port": container["ports"][0]["name"]}
        assert path in PATHS


def test_compose_asks_the_probes_too() -> None:
    for name, service in ours().items():
        if "healthcheck" in service:
            options = check_command(service["command"])
            port = options.get("probe_port") or options["port"]
            (asked,) = re.findall(r"http://127.0.0.1:(\d+)(/\w+)", service["healthcheck"]["test"][-1])
            assert asked == (str(port), "/healthz"), name
    assert {name for name, service in ours().items() if "healthcheck" in service} == {"api", "worker"}


def test_nothing_runs_as_root_nor_writes_but_to_its_volumes() -> None:
    for pod in pods().values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}
    text = (DEPLOY / "Dockerfile").read_text()
    user = re.findall(r"^USER (\d+):\d+$", text, re.M)
    assert user == ["10001"]
    assert {pod["securityContext"]["runAsUser"] for pod in pods().values()} == {int(user[0])}


def test_the_image_is_built_of_what_is_there_and_starts_our_command() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.M):
        for source in line.split():
            assert (DEPLOY.parent / source).exists(), source
            assert f"!{source}" in ignored, source
    assert 'ENTRYPOINT ["openlookout"]' in text
    assert re.search(r'^CMD \["serve"\]$', text, re.M)
    image = compose()["x-openlookout"]["build"]
    assert (DEPLOY / image["context"] / image["dockerfile"]).resolve() == DEPLOY / "Dockerfile"


def test_the_manifests_are_of_this_release_and_complete() -> None:
    for name, pod in pods().items():
        assert [container["image"] for container in pod["containers"]] == [f"openlookout:{VERSION}"], name
        for container in pod["containers"]:
            assert container["envFrom"] == [
                {"configMapRef": {"name": "openlookout"}},
                {"secretRef": {"name": "openlookout"}},
            ]
    assert set(pods()) == {
        "openlookout-api",
        "openlookout-worker",
        "openlookout-migrate-pre",
        "openlookout-migrate-post",
    }
    (kustomization,) = (each for _, each in manifests() if each["kind"] == "Kustomization")
    assert all((DEPLOY / "kubernetes" / name).is_file() for name in kustomization["resources"])
    for name, each in manifests():
        assert {"apiVersion", "kind"} <= each.keys(), name


def test_a_worker_is_given_longer_to_end_than_it_takes() -> None:

    assert pods()["openlookout-worker"]["terminationGracePeriodSeconds"] > 2 * SHUTDOWN_SECONDS
    assert int(ours()["worker"]["stop_grace_period"].removesuffix("s")) > 2 * SHUTDOWN_SECONDS
