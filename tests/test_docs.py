"""What can be set and called is documented."""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import typer

from openlookout.api.definition import definition
from openlookout.cli import app
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


def commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, set[str]]]:
    """Every command that is shown, with its long options; of a switch the one that changes something."""
    if hasattr(command, "commands"):
        for name, below in command.commands.items():
            if not below.hidden:
                yield from commands(below, (*words, name))
    else:
        yield " ".join(words), {option.opts[0] for option in command.params if option.param_type_name == "option"}


def test_every_command_and_option_is_in_the_table_of_commands_and_no_other() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    section = text.partition("## Commands\n")[2].partition("\n## ")[0]
    documented = {}
    for line in section.splitlines():
        if line.startswith("| `openlookout "):
            _, command, options, what, _ = line.split("|")
            documented[command.strip(" `")] = set(options.replace("`", "").split())
            assert what.strip()
    assert documented == dict(commands(typer.main.get_command(app), ("openlookout",)))


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
