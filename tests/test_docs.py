"""What can be set and called is documented."""

from dataclasses import fields
from pathlib import Path

import pytest

from openlookout.cli import app, keys
from openlookout.settings import ENVIRONMENT_PREFIX, Settings, read_settings

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("field", [field.name for field in fields(Settings)])
def test_every_setting_is_in_the_docs(field: str) -> None:
    assert f"`{ENVIRONMENT_PREFIX}{field.upper()}`" in (ROOT / "docs" / "operations.md").read_text()


def test_every_command_is_in_the_docs() -> None:
    text = "".join(path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"openlookout {command.name or command.callback.__name__}" in text
    assert "openlookout keys create" in text
    assert len(keys.registered_commands) == 3


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
