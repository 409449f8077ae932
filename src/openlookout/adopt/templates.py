"""CloudFormation templates, JSON or YAML: their inference schedulers, intrinsic functions worked out where they can be.

What only a deployed stack knows (another stack's exports, attributes of resources, parameters without default) is
Unreadable.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from openlookout.adopt.facts import Fact, Unreadable, fact

SCHEDULER = "AWS::LookoutEquipment::InferenceScheduler"
# A resource's Ref is its name, where the template gives it one.
NAMES = {"AWS::S3::Bucket": "BucketName", SCHEDULER: "InferenceSchedulerName"}
LINE = "@line"
NESTING_MAX = 50


class NoTemplate(Exception):
    """The text is no YAML or JSON; the message says where."""


class _Loader(yaml.SafeLoader):
    """Plain values, short forms of intrinsic functions as the long ones, and the line of each mapping."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    return {**loader.construct_mapping(node, deep=True), LINE: node.start_mark.line + 1}


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        value = value.split(".", 1) if suffix == "GetAtt" else value
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_multi_constructor("!", _short_form)
# A template's dates are texts.
_Loader.yaml_implicit_resolvers = {
    sign: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for sign, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_template(name: str, text: str) -> list[Fact] | None:
    """Give the inference schedulers of a template; None when the text is no template.

    Raises:
        NoTemplate: it is no YAML.
    """
    try:
        document = yaml.load(text.replace("\t", " "), _Loader)  # noqa: S506  # It builds plain values only.
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError) as error:
        raise NoTemplate(" ".join(str(error).split())[:300]) from None
    if not isinstance(document, Mapping) or not isinstance(document.get("Resources"), Mapping):
        return None
    resolver = _Resolver(document)
    found = []
    for logical, resource in document["Resources"].items():
        if not isinstance(resource, Mapping) or resource.get("Type") != SCHEDULER:
            continue
        condition = resource.get("Condition")
        if condition is not None and resolver.is_met(condition) is False:
            continue
        members = resolver.value(resource.get("Properties", {}))
        members.setdefault("InferenceSchedulerName", logical)
        members.setdefault("DataUploadFrequency", Unreadable("DataUploadFrequency"))
        one = fact(members, name, int(resource.get(LINE, 1)), "template")
        if one is not None:
            found.append(one)
    return found


class _Resolver:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._resources = document["Resources"]
        self._mappings = document.get("Mappings", {})
        self._conditions = document.get("Conditions", {})
        self._parameters = {
            name: parameter["Default"]
            for name, parameter in document.get("Parameters", {}).items()
            if isinstance(parameter, Mapping) and "Default" in parameter
        }

    def value(self, value: Any, depth: int = 0) -> Any:
        """Work out a value; what cannot be is Unreadable."""
        if depth > NESTING_MAX:
            return Unreadable("nested too deeply")
        if isinstance(value, list):
            return [self.value(one, depth + 1) for one in value]
        if not isinstance(value, Mapping):
            return value
        plain = {name: one for name, one in value.items() if name != LINE}
        if len(plain) == 1:
            ((name, argument),) = plain.items()
            if name == "Ref" or str(name).startswith("Fn::"):
                try:
                    return self._function(str(name), argument, depth)
                except (ValueError, TypeError, KeyError, IndexError):
                    return Unreadable(_shown(name, argument))
        return {name: self.value(one, depth + 1) for name, one in plain.items()}

    def _function(self, name: str, argument: Any, depth: int) -> Any:  # noqa: PLR0911
        unknown = Unreadable(_shown(name, argument))
        if name == "Ref":
            return self._ref(argument)
        if name == "Fn::Sub":
            text, more = (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])
            return self._substituted(text, self.value(more, depth + 1)) or unknown
        if name == "Fn::If":
            is_met = self.is_met(argument[0])
            return unknown if is_met is None else self.value(argument[1 if is_met else 2], depth + 1)
        worked = self.value(argument, depth + 1)
        parts = worked if isinstance(worked, list) else [worked]
        if any(isinstance(one, Unreadable) for one in parts):
            return unknown
        if name == "Fn::Join":
            return (
                unknown if any(isinstance(one, Unreadable) for one in parts[1]) else parts[0].join(map(str, parts[1]))
            )
        if name == "Fn::Select":
            return parts[1][int(parts[0])]
        if name == "Fn::Split":
            return parts[1].split(parts[0])
        if name == "Fn::FindInMap":
            return self._mappings[parts[0]][parts[1]][parts[2]]
        return unknown

    def _ref(self, name: Any) -> Any:
        if name in self._parameters:
            return self._parameters[name]
        resource = self._resources.get(name)
        if isinstance(resource, Mapping) and resource.get("Type") in NAMES:
            return self.value(resource.get("Properties", {})[NAMES[resource["Type"]]], 1)
        return Unreadable(f"Ref {name}")

    def _substituted(self, text: str, more: Mapping[str, Any]) -> str | None:
        def of(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            value = more[name] if name in more else self._ref(name)
            if isinstance(value, Unreadable):
                raise KeyError(name)
            return str(value)

        return re.sub(r"\$\{([^}]*)\}", of, text)

    def is_met(self, condition: Any, depth: int = 0) -> bool | None:  # noqa: PLR0911
        """Whether a condition holds; None when that cannot be told."""
        if depth > NESTING_MAX:
            return None
        if isinstance(condition, str):
            return self.is_met(self._conditions.get(condition), depth + 1)
        if not isinstance(condition, Mapping):
            return None
        pairs: list[tuple[str, Any]] = [pair for pair in condition.items() if pair[0] != LINE]
        name, argument = pairs[0] if pairs else ("", [])
        if name == "Condition":
            return self.is_met(argument, depth + 1)
        if name == "Fn::Equals":
            sides = [self.value(one) for one in argument]
            return None if any(isinstance(one, Unreadable) for one in sides) else str(sides[0]) == str(sides[1])
        if name == "Fn::Not":
            inner = self.is_met(argument[0], depth + 1)
            return None if inner is None else not inner
        if name in {"Fn::And", "Fn::Or"}:
            each = [self.is_met(one, depth + 1) for one in argument]
            return None if None in each else (all(each) if name == "Fn::And" else any(each))
        return None


def _shown(name: Any, argument: Any) -> str:
    return f"{name} {argument}"[:200]
