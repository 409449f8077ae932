"""Secrets: compared in constant time wherever somebody shows one."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "openlookout"
# What a caller shows, against what we hold; by the file that compares.
COMPARING = ("wire/sigv4.py", "wire/probes.py")
SECRET = {"secret", "signature", "token", "metrics_token", "expected"}


@pytest.mark.parametrize("name", COMPARING)
def test_secrets_are_compared_in_constant_time(name: str) -> None:
    tree = ast.parse((SOURCE / name).read_text())
    compared = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
        and SECRET & {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
    ]
    assert compared == []
    assert "hmac.compare_digest(" in (SOURCE / name).read_text()
