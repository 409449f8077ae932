"""Give the API reference as Markdown, from src/openlookout/api/definition.json; the documentation site calls it.

python scripts/generate_reference.py > reference.md
"""

import json
import pathlib
from typing import Any

from botocore import xform_name

from generate_api import API, PROTOCOL, STATUS

HEADER = """# API reference

The {n} operations, as an unmodified boto3 client calls them and as any HTTP client may: AWS JSON 1.0, `POST /` with the
header `X-Amz-Target: {target}.<operation>`. How the old service behaved, and where we had to decide, is in
[compatibility](compatibility.md). This page is made from the definition that the service itself validates by.

"""
PARTS = (
    ("Datasets and ingestion", ("Dataset", "Ingestion", "SensorStatistics")),
    ("Labels", ("Label",)),
    ("Retraining schedulers", ("RetrainingScheduler",)),
    ("Inference schedulers", ("Inference",)),
    ("Models and versions", ("Model",)),
    ("Tags and resource policies", ("Tag", "Resource")),
)

Shape = dict[str, Any]


def reference(definition: dict[str, Any]) -> str:
    """Give the page: operations by part, the structures that they speak of, and the errors."""
    shapes = definition["shapes"]
    operations = definition["operations"]
    text = [HEADER.format(n=len(operations), target=definition["metadata"]["targetPrefix"])]
    left = sorted(operations)
    for part, words in PARTS:
        mine = [name for name in left if any(word in name for word in words)]
        left = [name for name in left if name not in mine]
        text.append(f"## {part}\n\n")
        text += [_operation(operations[name], shapes) for name in mine]
    assert not left, f"{left} are in no part of the reference"
    tops = {
        operation[side]["shape"]
        for operation in operations.values()
        for side in ("input", "output")
        if side in operation
    }
    text.append("## Structures\n\nWhat members of requests and answers consist of.\n\n")
    for name, shape in sorted(shapes.items()):
        if shape["type"] == "structure" and not shape.get("exception") and name not in tops:
            text.append(f"### {name}\n\n{_sentence(shape)}{_members(shape, shapes)}")
    return "".join(text) + _errors(shapes)


def _operation(operation: Shape, shapes: dict[str, Shape]) -> str:
    name, given = operation["name"], shapes[operation["input"]["shape"]]
    filled = [member for member, what in given.get("members", {}).items() if what.get("idempotencyToken")]
    needed = ", ".join(f"{member}=…" for member in given.get("required", []) if member not in filled)
    text = f"### {name}\n\n{operation['documentation']}\n\n`client.{xform_name(name)}({needed})`\n\n"
    text += f"**Request**\n\n{_members(given, shapes)}"
    answer = shapes[operation["output"]["shape"]] if "output" in operation else {}
    text += f"**Answer**\n\n{_members(answer, shapes)}"
    errors = ", ".join(f"[{error['shape']}](#{error['shape'].lower()})" for error in operation["errors"])
    return f"{text}**Errors**: {errors}\n\n"


def _members(structure: Shape, shapes: dict[str, Shape]) -> str:
    members = structure.get("members", {})
    if not members:
        return "No members.\n\n"
    rows = ["| Member | Type | Constraints | What |", "|---|---|---|---|"]
    for name, member in members.items():
        shape = shapes[member["shape"]]
        needed = ["required"] if name in structure.get("required", []) else []
        what = member.get("documentation") or shape.get("documentation", "")
        limits = "; ".join(needed + _constraints(shape, shapes))
        rows.append(f"| `{name}` | {_type(member['shape'], shapes)} | {limits} | {_cell(what)} |")
    return "\n".join(rows) + "\n\n"


def _type(name: str, shapes: dict[str, Shape]) -> str:
    shape = shapes[name]
    if shape["type"] == "structure":
        return f"[{name}](#{name.lower()})"
    if shape["type"] == "list":
        return f"list of {_type(shape['member']['shape'], shapes)}"
    return str(shape["type"])


def _constraints(shape: Shape, shapes: dict[str, Shape]) -> list[str]:
    """Name what a value must be, of a list also what its items must be."""
    unit = {"string": " characters", "list": " items"}.get(shape["type"], "")
    found = []
    match shape.get("min"), shape.get("max"):
        case None, None:
            pass
        case int(least), int(most):
            found.append(f"{least:,} to {most:,}{unit}" if least != most else f"{most:,}{unit}")
        case least, None:
            found.append(f"at least {least:,}{unit}")
        case None, most:
            found.append(f"at most {most:,}{unit}")
        case least, most:
            found.append(f"{least} to {most}{unit}")
    if "enum" in shape:
        found.append("one of " + ", ".join(f"`{value}`" for value in shape["enum"]))
    if "pattern" in shape:
        found.append(f"pattern ``{shape['pattern']}``" if "`" in shape["pattern"] else f"pattern `{shape['pattern']}`")
    if shape["type"] == "list":
        found += [f"each {limit}" for limit in _constraints(shapes[shape["member"]["shape"]], shapes)]
    return found


def _sentence(shape: Shape) -> str:
    return f"{shape['documentation']}\n\n" if shape.get("documentation") else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _errors(shapes: dict[str, Shape]) -> str:
    text = "## Errors\n\nThe type is in the member `__type` of the body, the sentence in `Message`.\n\n"
    modelled = {
        name: (STATUS.get(name, 400), shape["documentation"])
        for name, shape in shapes.items()
        if shape.get("exception")
    }
    for name, (status, said) in sorted(modelled.items()):
        text += f"### {name}\n\nHTTP {status}. {said}\n\n"
    text += "Besides, every operation may answer what the protocol itself refuses:\n\n"
    text += "| Error | HTTP | When |\n|---|---|---|\n"
    return text + "".join(f"| `{name}` | {status} | {said} |\n" for name, (status, said) in sorted(PROTOCOL.items()))


if __name__ == "__main__":
    print(reference(json.loads(pathlib.Path(API / "definition.json").read_text(encoding="utf-8"))), end="")
