"""Write src/openlookout/api/{types,errors}.py from definition.json; `--check` compares instead.

python scripts/generate_api.py [--check]
"""

import json
import pathlib
import subprocess
import sys

API = pathlib.Path(__file__).resolve().parent.parent / "src" / "openlookout" / "api"
HEADER = '"""{first}\n\nGenerated from definition.json by scripts/generate_api.py: change that, not this.\n"""\n\n'

# Codes of the modelled exceptions as the API reference gives them; clients look at the type only.
STATUS = {"InternalServerException": 500}
# What the protocol itself answers; no part of the definition, but of every AWS service.
PROTOCOL = {
    "UnknownOperationException": (404, "The target names no operation of this service."),
    "SerializationException": (400, "The body is not JSON, or a member has another JSON type than it must."),
    "RequestEntityTooLargeException": (413, "The body is longer than the service reads."),
    "UnrecognizedClientException": (403, "The access key is not known."),
    "InvalidSignatureException": (403, "The signature does not match the request, or has expired."),
    "IncompleteSignatureException": (400, "The Authorization header lacks a part or cannot be read."),
    "MissingAuthenticationTokenException": (403, "The request is not signed, and it must be."),
    "ForbiddenException": (403, "The request was sent to a host name, or from a page, that is not the service's own."),
}
# Structures of which an answer holds a whole page: they are made in the form in which they are written, for a mapping
# of each row and a datetime of each time cost several times what the database does.
WRITTEN = {"ModelVersionSummary"}
PLAIN = {"string": "str", "timestamp": "datetime", "boolean": "bool", "float": "float", "double": "float"}
PLAIN |= {"long": "int", "integer": "int"}


def main() -> int:
    definition = json.loads((API / "definition.json").read_text())
    files = {"types.py": types(definition), "errors.py": errors(definition)}
    for name, text in files.items():
        formatted = subprocess.run(
            [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(API / name), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        if "--check" not in sys.argv:
            (API / name).write_text(formatted)
        elif (API / name).read_text() != formatted:
            print(f"{name} is not what definition.json gives: run scripts/generate_api.py")
            return 1
    return 0


def errors(definition: dict) -> str:
    lines = [HEADER.format(first="The errors of the API, and those of its protocol.")]
    lines.append("from openlookout.api.service_error import ServiceError\n")
    shapes = definition["shapes"]
    modelled = {n: (STATUS.get(n, 400), s["documentation"]) for n, s in shapes.items() if s.get("exception")}
    for name, (status, said) in sorted((modelled | PROTOCOL).items()):
        lines.append(f'class {name}(ServiceError):\n    """{said}"""\n')
        lines.append(f'    code = "{name}"\n    http_status = {status}\n')
    return "\n\n".join(lines)


def reachable(shapes: dict, roots: list[str]) -> set[str]:
    found, todo = set(), list(roots)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        shape = shapes[name]
        todo += [member["shape"] for member in shape.get("members", {}).values()]
        if "member" in shape:
            todo.append(shape["member"]["shape"])
    return found


def types(definition: dict) -> str:
    shapes = definition["shapes"]
    asked = reachable(shapes, [operation["input"]["shape"] for operation in definition["operations"].values()])
    enums, structures = [], []
    for name, shape in sorted(shapes.items()):
        if shape.get("exception"):
            continue
        if "enum" in shape:
            enums.append(f"# {shape['documentation']}")
            enums.append(f"{name} = Literal[{', '.join(json.dumps(value) for value in shape['enum'])}]")
        elif shape["type"] == "structure":
            made = written(shapes, name) if name in WRITTEN else structure(shapes, name, is_asked=name in asked)
            structures.append(made)
    first = "The shapes of the API: a TypedDict for each structure, a Literal for each enumeration."
    imports = (
        "from datetime import datetime\nfrom typing import Literal, NotRequired, TypedDict\n\n"
        "from msgspec import Struct\n\nfrom openlookout.api.instants import Seconds\n"
    )
    head = HEADER.format(first=first) + "from __future__ import annotations\n\n" + imports
    return head + "\n" + "\n".join(enums) + "\n\n\n" + "\n\n\n".join(structures) + "\n"


def structure(shapes: dict, name: str, *, is_asked: bool) -> str:
    shape = shapes[name]
    said = shape.get("documentation", "")
    lines = [f"class {name}(TypedDict{'' if is_asked else ', total=False'}):"]
    if said:
        lines.append(f'    """{said}"""\n')
    for member, target in shape.get("members", {}).items():
        kind = annotation(shapes, target["shape"])
        if not is_asked:
            kind = f"{kind} | None"
        elif member not in shape.get("required", []):
            kind = f"NotRequired[{kind}]"
        lines.append(f"    {member}: {kind}")
    if len(lines) == 1:
        lines.append("    pass")
    return "\n".join(lines)


def written(shapes: dict, name: str) -> str:
    shape = shapes[name]
    lines = [f"class {name}(Struct, omit_defaults=True, gc=False):", f'    """{shape["documentation"]}"""\n']
    for member, target in shape["members"].items():
        kind = "Seconds" if shapes[target["shape"]]["type"] == "timestamp" else annotation(shapes, target["shape"])
        lines.append(f"    {member}: {kind} | None = None")
    return "\n".join(lines)


def annotation(shapes: dict, name: str) -> str:
    shape = shapes[name]
    if "enum" in shape or shape["type"] == "structure":
        return name
    if shape["type"] == "list":
        return f"list[{annotation(shapes, shape['member']['shape'])}]"
    return PLAIN[shape["type"]]


if __name__ == "__main__":
    sys.exit(main())
