"""The threat model is kept: every item names a test, and every test that is named exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)


def test_every_item_of_the_threat_model_names_a_test() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and line.count(" | ") == 2]
    items = [row for row in rows if not row.startswith(("| Threat ", "| Who "))]
    without = [row for row in items if "`tests/" not in row]
    whom = TEXT.partition("**Not protected")[0]
    assert [row for row in without if row not in whom] == []
    assert len(items) > 30


def test_every_test_that_is_named_exists() -> None:
    assert len(NAMED) > 40
    missing = [
        f"{path}::{name}"
        for path, name in NAMED
        if not (ROOT / path).exists() or (name and f"def {name}(" not in (ROOT / path).read_text())
    ]
    assert missing == []
