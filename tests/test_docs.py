"""What can be set and called is documented."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from openlookout.api.definition import definition
from openlookout.cli import app, audit, keys
from openlookout.cli_alerts import alerts, channel, maintenance
from openlookout.limits import AWS, OWN, Limits, read_limits
from openlookout.settings import ENVIRONMENT_PREFIX, Settings, read_settings

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("field", [field.name for field in fields(Settings)])
def test_every_setting_is_in_the_docs(field: str) -> None:
    assert f"`{ENVIRONMENT_PREFIX}{field.upper()}`" in (ROOT / "docs" / "operations.md").read_text()


@pytest.mark.parametrize("field", [field.name for field in fields(Limits)])
def test_every_limit_is_in_the_docs_with_its_values(field: str) -> None:
    row = f"| `OPENLOOKOUT_LIMIT_{field.upper()}` | {getattr(OWN, field):,} | {getattr(AWS, field):,} | "
    assert row in (ROOT / "docs" / "operations.md").read_text()


def test_limits_are_a_table_with_changes() -> None:
    changed = read_limits("aws", {"OPENLOOKOUT_LIMIT_MODELS": "20", "OPENLOOKOUT_LIMITS": "aws", "HOME": "/"})
    assert changed == replace(AWS, models=20)
    with pytest.raises(ValueError, match="limits must be one of own, aws, not 'none'"):
        read_limits("none", {})
    with pytest.raises(ValueError, match="OPENLOOKOUT_LIMIT_MODELS must be a whole number, not '-1'"):
        read_limits("own", {"OPENLOOKOUT_LIMIT_MODELS": "-1"})
    with pytest.raises(ValueError, match="OPENLOOKOUT_LIMIT_MODEL is no limit; there are OPENLOOKOUT_LIMIT_DATASETS, "):
        read_limits("own", {"OPENLOOKOUT_LIMIT_MODEL": "1"})


def test_every_operation_is_in_the_compatibility_table() -> None:
    text = (ROOT / "docs" / "compatibility.md").read_text()
    rows = [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines()]
    assert sorted(set(definition()["operations"]) & set(rows)) == sorted(definition()["operations"])


def test_every_command_is_in_the_docs() -> None:
    text = "".join(path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"openlookout {command.name or command.callback.__name__}" in text
    for group, called in ((alerts, "alerts"), (channel, "alerts channel"), (maintenance, "alerts maintenance")):
        for command in group.registered_commands:
            assert f"openlookout {called} {command.name}" in text
    assert "openlookout keys create" in text
    assert len(keys.registered_commands) == 3
    for command in audit.registered_commands:
        assert f"openlookout audit {command.name}" in text


def test_flags_win_over_the_environment_and_that_over_the_defaults(tmp_path: Path) -> None:
    environment = {"OPENLOOKOUT_PORT": "9000", "OPENLOOKOUT_DATA": str(tmp_path), "OPENLOOKOUT_REGION": "eu-west-1"}
    read = read_settings({"region": "ap-northeast-2", "host": None}, environment)
    assert (read.port, read.data, read.region, read.host) == (9000, tmp_path, "ap-northeast-2", "127.0.0.1")
    assert read.database_url == f"sqlite:///{tmp_path / 'openlookout.db'}"
    with pytest.raises(ValueError, match="OPENLOOKOUT_PORT must be a whole number, not 'many'"):
        read_settings({}, {"OPENLOOKOUT_PORT": "many"})


def test_links_in_the_readme_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text()
    for target in [part.split(")")[0] for part in text.split("](")[1:]]:
        assert (ROOT / target).exists(), target
