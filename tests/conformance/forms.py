"""Goldens as forms: a shape of members whose leaves name a form of value. `?` ends a member that may be absent."""

import json
import re
from collections.abc import Callable
from typing import Any

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ARN = r"arn:aws:lookoutequipment:[a-z0-9-]+:[0-9]{12}:"
MOMENT = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}"
Z = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z"

PATTERNS = {
    "text": r"[\s\S]+",
    "hex32": r"[0-9a-f]{32}",
    "arn:dataset": f"{ARN}dataset/[0-9a-zA-Z_-]+/{UUID}",
    "arn:model": f"{ARN}model/[0-9a-zA-Z_-]+/{UUID}",
    "arn:model-version": f"{ARN}model/[0-9a-zA-Z_-]+/{UUID}/model-version/[0-9]+",
    "arn:inference-scheduler": f"{ARN}inference-scheduler/[0-9a-zA-Z_-]+/{UUID}",
    "result key": f".+/{Z}/results\\.jsonl",
    "no file": rf"Could not find data file for sensor \S+ within expected range of \({Z}, {Z}\]\. .*'s3://.+' ~ 's3://.+'\.?",
    "moment": MOMENT,
}


def is_evaluated_by_python(text: str) -> bool:
    """Clients read it with `eval`: no true, false and null."""
    return not re.search(r"\b(true|false|null|NaN|Infinity)\b", re.sub(r'"(\\.|[^"\\])*"', "", text))


def _is_schema(value: Any) -> bool:
    components = json.loads(value)["Components"]
    kinds = [[column["Type"] for column in component["Columns"]] for component in components]
    return is_evaluated_by_python(value) and all(each == ["DATETIME"] + ["DOUBLE"] * (len(each) - 1) for each in kinds)


METRICS = {
    "labeled_ranges": [{"start": "moment", "end": "moment"}],
    "labeled_event_metrics": {
        "num_labeled": "integer",
        "num_identified": "integer",
        "total_warning_time_in_seconds": "float",
    },
    "predicted_ranges": [{"start": "moment", "end": "moment", "diagnostics": [{"name": "sensor", "value": "float"}]}],
    "unknown_event_metrics": {"num_identified": "integer", "total_duration_in_seconds": "float"},
}
PATTERNS["sensor"] = r"[^\\]+\\[^\\]+"


def _is_metrics(value: Any) -> bool:
    return is_evaluated_by_python(value) and not form_problems(METRICS, json.loads(value), "")


def _is_diagnostics(value: Any) -> bool:
    rows = json.loads(value)
    return bool(rows) and not form_problems([{"name": "sensor", "value": "float"}], rows, "")


CHECKS: dict[str, Callable[[Any], bool]] = {
    "integer": lambda value: type(value) is int,
    "float": lambda value: type(value) is float,
    "boolean": lambda value: type(value) is bool,
    # Raw JSON: a number of seconds, in years that a plant has.
    "time": lambda value: type(value) in {int, float} and 1e9 < value < 1e10,
    "schema": _is_schema,
    "metrics": _is_metrics,
    "diagnostics": _is_diagnostics,
}


def form_problems(form: Any, value: Any, path: str) -> list[str]:
    """Each place in which a value has another form than it must."""
    if isinstance(form, dict):
        if not isinstance(value, dict):
            return [f"{path}: {value!r} is no object"]
        forms = {name.removesuffix("?"): inner for name, inner in form.items()}
        absent = [f"{path}.{name}: absent" for name in form if not name.endswith("?") and name not in value]
        more = [f"{path}.{name}: there" for name in value if name not in forms]
        return [
            *absent,
            *more,
            *(
                each
                for name in value
                if name in forms
                for each in form_problems(forms[name], value[name], f"{path}.{name}")
            ),
        ]
    if isinstance(form, list):
        if not isinstance(value, list) or (not form and value):
            return [f"{path}: {value!r} is another list"]
        return [each for item in value for each in form_problems(form[0], item, f"{path}[]")]
    if form.startswith("="):
        return [] if value == form[1:] else [f"{path}: {value!r} is not {form[1:]}"]
    if form in CHECKS:
        return [] if CHECKS[form](value) else [f"{path}: {value!r} is no {form}"]
    is_fit = isinstance(value, str) and re.fullmatch(PATTERNS[form], value) is not None
    return [] if is_fit else [f"{path}: {value!r} is no {form}"]
