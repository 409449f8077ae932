"""The calls in a boto3 script or notebook, read from its text. Nothing of it is ever run.

Names that the script gives to plain values are known: texts, numbers, dictionaries, times, and what is put together of
them. What comes from elsewhere (a function, the command line) is Unreadable.
"""

import ast
import json
import posixpath
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from openlookout.adopt.facts import Fact, Unreadable, fact

CALLS = (
    "create_dataset",
    "start_data_ingestion_job",
    "create_model",
    "create_inference_scheduler",
    "create_label_group",
    "create_label",
    "create_retraining_scheduler",
    "tag_resource",
)
NESTING_MAX = 50


# By their whole name, or by the last part of it.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json.dumps": json.dumps,
    "datetime": lambda *parts: datetime(*parts).replace(tzinfo=UTC),  # noqa: DTZ001
    "to_datetime": datetime.fromisoformat,
    "Timestamp": datetime.fromisoformat,
    "fromisoformat": datetime.fromisoformat,
    "os.path.join": posixpath.join,
    "posixpath.join": posixpath.join,
    "str": str,
}


class NoScript(Exception):
    """The file is no Python or notebook; the message says why."""


def read_script(name: str, text: str) -> list[Fact]:
    """Give the resources that the calls in a script create.

    Raises:
        NoScript: it is no Python, or no notebook.
    """
    source = _notebook(text) if name.lower().endswith(".ipynb") else text
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NoScript(f"it is no Python: {error}") from None
    reader = _Reader(name)
    reader.visit(tree)
    return reader.facts


def _notebook(text: str) -> str:
    """The code of a notebook; lines for the shell and for the notebook itself become comments."""
    try:
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        lines = [line for cell in cells for line in "".join([*cell["source"], "\n"]).splitlines()]
    except (ValueError, KeyError, TypeError):
        raise NoScript("it is no notebook") from None
    return "\n".join(f"# {line}" if line.lstrip().startswith(("!", "%")) else line for line in lines)


class _Reader(ast.NodeVisitor):
    """Goes through a script from top to bottom, knowing what its names stand for at that place."""

    def __init__(self, name: str) -> None:
        self.facts: list[Fact] = []
        self._name = name
        self._known: dict[str, Any] = {}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer = dict(self._known)
        by_place, by_name = [*node.args.posonlyargs, *node.args.args], node.args.kwonlyargs
        for argument in (*by_place, *by_name):
            self._known[argument.arg] = Unreadable(argument.arg)
        last = by_place[len(by_place) - len(node.args.defaults) :]
        defaults = [*zip(last, node.args.defaults, strict=True), *zip(by_name, node.args.kw_defaults, strict=True)]
        for argument, default in defaults:
            if default is not None:
                self._known[argument.arg] = self._value(default)
        self.generic_visit(node)
        self._known = outer

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        value = self._value(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._known[target.id] = value
            elif isinstance(target, ast.Tuple | ast.List):
                values = value if isinstance(value, list) and len(value) == len(target.elts) else None
                for number, one in enumerate(target.elts):
                    if isinstance(one, ast.Name):
                        self._known[one.id] = (
                            Unreadable(ast.unparse(node.value)[:200]) if values is None else values[number]
                        )
            elif isinstance(target, ast.Subscript):
                holder, key = self._value(target.value), self._value(target.slice)
                if isinstance(holder, dict) and isinstance(key, str):
                    holder[key] = value

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is None:
            return
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self._known[node.target.id] = self._value(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Attribute):
            return
        if node.func.attr == "update" and node.args:
            holder, more = self._value(node.func.value), self._value(node.args[0])
            if isinstance(holder, dict) and isinstance(more, dict):
                holder.update(more)
        elif node.func.attr in CALLS:
            members: dict[str, Any] = {}
            lines: dict[str, int] = {}
            for keyword in node.keywords:
                value = self._value(keyword.value)
                if keyword.arg is not None:
                    members[keyword.arg], lines[keyword.arg] = value, keyword.value.lineno
                elif isinstance(value, Mapping):
                    members |= value
            found = fact(members, self._name, node.lineno, "script", lines)
            if found is not None:
                self.facts.append(found)

    def _value(self, node: ast.expr, depth: int = 0) -> Any:
        """Give what an expression stands for, or Unreadable with its text."""
        try:
            value = self._known_value(node, depth)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError):
            value = None
        return Unreadable(ast.unparse(node)[:200]) if value is None else value

    def _known_value(self, node: ast.expr, depth: int) -> Any:  # noqa: PLR0911  # A table of forms.
        if depth > NESTING_MAX:
            return None
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._known.get(node.id)
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            return {
                self._value(key, depth + 1): self._value(value, depth + 1) for key, value in pairs if key is not None
            }
        if isinstance(node, ast.List | ast.Tuple):
            return [self._value(one, depth + 1) for one in node.elts]
        if isinstance(node, ast.JoinedStr):
            return _text([self._value(one, depth + 1) for one in node.values])
        if isinstance(node, ast.FormattedValue):
            return self._value(node.value, depth + 1)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return _text([self._value(node.left, depth + 1), self._value(node.right, depth + 1)])
        if isinstance(node, ast.Subscript):
            return self._value(node.value, depth + 1)[self._value(node.slice, depth + 1)]
        if isinstance(node, ast.Call):
            return self._call(node, depth)
        return None

    def _call(self, node: ast.Call, depth: int) -> Any:
        """Give the answer of the few functions whose arguments tell it."""
        function = ast.unparse(node.func)
        arguments = [self._value(one, depth + 1) for one in node.args]
        named = {one.arg: self._value(one.value, depth + 1) for one in node.keywords if one.arg is not None}
        if function == "dict":
            return named
        if _has_unreadable(arguments) or _has_unreadable(named):
            return None
        if function.endswith(".format") and isinstance(node.func, ast.Attribute):
            # Plain placeholders only: anything else could reach into objects.
            text = self._value(node.func.value, depth + 1)
            return None if "." in "".join(_placeholders(text)) else text.format(*arguments, **named)
        work = FUNCTIONS.get(function) or FUNCTIONS.get(function.rpartition(".")[2])
        return None if work is None else work(*arguments)


def _placeholders(text: str) -> list[str]:
    return [part.partition("}")[0] for part in text.split("{")[1:]]


def _text(parts: list[Any]) -> str | None:
    if any(not isinstance(part, str | int | float) for part in parts):
        return None
    return "".join(str(part) for part in parts)


def _has_unreadable(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_unreadable(one) for one in value.values())
    return any(map(_has_unreadable, value)) if isinstance(value, list) else isinstance(value, Unreadable)
