"""Our definition is botocore's, member by member and constraint by constraint, but for one list of exceptions."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore
import botocore.loaders
import pytest

from openlookout.api.definition import definition

# (where, reason). An entry that is no difference any more fails the test too.
EXCEPTIONS = {
    "shapes.ListModelVersionsRequest.required": (
        "The API reference says that no ModelName gives an empty list: a raw request without it is answered so."
    ),
}
TEXTS = {"documentation", "deprecated", "deprecatedMessage", "deprecatedSince", "version"}
CONSTRAINTS = ("required", "min", "max", "pattern", "enum")


def without_texts(value: Any, *, is_members: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            name: without_texts(given, is_members=name in {"members", "shapes", "operations"})
            for name, given in value.items()
            if is_members or name not in TEXTS
        }
    return [without_texts(item) for item in value] if isinstance(value, list) else value


def differences(ours: Any, theirs: Any, where: str) -> list[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = sorted(set(ours) | set(theirs))
        return [
            found
            for name in names
            for found in differences(ours.get(name), theirs.get(name), f"{where}.{name}" if where else name)
        ]
    return [] if ours == theirs else [where]


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    loader = botocore.loaders.Loader(include_default_search_paths=False)
    loader.search_paths.append(str(Path(botocore.__file__).parent / "data"))
    return dict(loader.load_service_model("lookoutequipment", "service-2"))


def test_the_model_compared_with_is_the_pinned_one() -> None:
    assert botocore.__version__ == "1.44.5"


def test_the_definition_is_botocores_but_for_the_listed_exceptions(theirs: dict[str, Any]) -> None:
    found = differences(without_texts(definition()), without_texts(theirs), "")
    assert found == sorted(EXCEPTIONS)


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_the_comparison_notices_a_changed_constraint(theirs: dict[str, Any], constraint: str) -> None:
    changed = json.loads(json.dumps(theirs))
    name = next(name for name, shape in changed["shapes"].items() if constraint in shape)
    del changed["shapes"][name][constraint]
    assert f"shapes.{name}.{constraint}" in differences(without_texts(definition()), without_texts(changed), "")


def texts(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["documentation"]} if isinstance(value.get("documentation"), str) else set()
        return own.union(*map(texts, value.values()))
    return set().union(*map(texts, value)) if isinstance(value, list) else set()


def runs(text: str, n_words: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", re.sub("<[^>]*>", " ", text).lower())
    return {tuple(words[start : start + n_words]) for start in range(len(words) - n_words + 1)}


def test_no_six_words_in_a_row_are_botocores(theirs: dict[str, Any]) -> None:
    written = set().union(*(runs(text, 6) for text in texts(theirs)))
    ours = texts(definition())
    assert len(ours) > 250
    assert len(written) > 1000
    assert [text for text in sorted(ours) if runs(text, 6) & written] == []


def test_every_operation_structure_enumeration_and_filter_says_what_it_is() -> None:
    shapes, operations = definition()["shapes"], definition()["operations"]
    speaking = {name: shape for name, shape in shapes.items() if shape["type"] == "structure" or "enum" in shape}
    silent = [name for name, told in (operations | speaking).items() if not told.get("documentation")]
    for name, operation in operations.items():
        if name.startswith("List") and name != "ListTagsForResource":
            asked = shapes[operation["input"]["shape"]]["members"]
            optional = set(asked) - set(shapes[operation["input"]["shape"]].get("required", []))
            silent += [f"{name}.{member}" for member in sorted(optional) if not asked[member].get("documentation")]
    assert silent == []


def test_types_and_errors_are_what_the_definition_gives() -> None:
    script = Path(__file__).parents[2] / "scripts" / "generate_api.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
