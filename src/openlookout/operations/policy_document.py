"""Resource policies as documents: read them strictly, and say what they allow. Knows no rows.

Format and meaning as in IAM; of it what the service knows: two actions, account principals, one condition key
(guide, "Controlling access to your model"). What is not understood is refused, never ignored.

A caller here is an account, so a principal that names a role or a user of an account stands for the account.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

IMPORT_DATASET = "lookoutequipment:ImportDataset"
IMPORT_MODEL_VERSION = "lookoutequipment:ImportModelVersion"
ACTIONS = (IMPORT_DATASET, IMPORT_MODEL_VERSION)
IS_IMPORTING_DATA = "lookoutequipment:IsImportingData"
VERSIONS = ("2012-10-17", "2008-10-17")

_PRINCIPAL = re.compile(r"arn:aws[^:]*:(?:iam|sts)::(\d{12}):.+|(\d{12})")
_MEMBERS = {"Version", "Id", "Statement"}
_STATEMENT_MEMBERS = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}

Verdict = Literal["allow", "deny", "none"]


class PolicyError(Exception):
    """A policy cannot be read; the message names the statement, the value and what is possible."""


@dataclass(frozen=True)
class Statement:
    """`accounts`: who it is about, None for everybody. `importing_data`: what the condition asks for, None for any."""

    effect: Literal["Allow", "Deny"]
    accounts: frozenset[str] | None
    actions: frozenset[str]
    importing_data: bool | None

    def applies(self, account: str, action: str, *, is_importing_data: bool) -> bool:
        return (
            (self.accounts is None or account in self.accounts)
            and action in self.actions
            and self.importing_data in (None, is_importing_data)
        )


def verdict(policy: str, account: str, action: str, *, is_importing_data: bool) -> Verdict:
    """What a stored policy says to an account's call: a Deny wins over any Allow."""
    effects = {
        statement.effect
        for statement in parse_policy(policy, None)
        if statement.applies(account, action, is_importing_data=is_importing_data)
    }
    return "deny" if "Deny" in effects else "allow" if "Allow" in effects else "none"


def parse_policy(policy: str, arn: str | None) -> tuple[Statement, ...]:
    """Give the statements. `arn`: the resource that they must be about, when they name one; None: not checked.

    Raises:
        PolicyError: it is no policy, or holds what the service does not know.
    """
    try:
        document = json.loads(policy, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise PolicyError("the policy is not JSON, or a member is there twice") from None
    _members(document, _MEMBERS, "the policy")
    if document.get("Version", VERSIONS[0]) not in VERSIONS:
        raise PolicyError(f"Version '{document['Version']}' is not known; it is {' or '.join(VERSIONS)}")
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise PolicyError("the policy has no Statement")
    return tuple(_statement(each, arn, f"statement {number}") for number, each in enumerate(statements, 1))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):  # Of two effects the reader would not know which one counts.
        raise ValueError
    return members


def _statement(said: Any, arn: str | None, where: str) -> Statement:
    _members(said, _STATEMENT_MEMBERS, where)
    effect = said.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise PolicyError(f"{where}: Effect must be Allow or Deny, not {effect!r}")
    actions = _texts(said.get("Action"), f"{where}: Action")
    for action in actions:
        if action not in ACTIONS:
            raise PolicyError(f"{where}: Action '{action}' cannot be given; possible are {' and '.join(ACTIONS)}")
    if arn is not None and "Resource" in said:
        for resource in _texts(said["Resource"], f"{where}: Resource"):
            if resource not in (arn, "*"):
                raise PolicyError(f"{where}: Resource '{resource}' is not the resource of the policy, '{arn}'")
    return Statement(effect, _accounts(said.get("Principal"), where), frozenset(actions), _condition(said, where))


def _accounts(principal: Any, where: str) -> frozenset[str] | None:
    if principal == "*":
        return None
    _members(principal, {"AWS"}, f"{where}: Principal")
    accounts = set()
    for text in _texts(principal.get("AWS"), f"{where}: Principal"):
        if text == "*":
            return None
        named = _PRINCIPAL.fullmatch(text)
        if named is None:
            raise PolicyError(f"{where}: Principal '{text}' is no account and no ARN of one")
        accounts.add(named[1] or named[2])
    return frozenset(accounts)


def _condition(said: Mapping[str, Any], where: str) -> bool | None:
    if "Condition" not in said:
        return None
    condition = said["Condition"]
    _members(condition, {"Bool"}, f"{where}: Condition")
    _members(condition.get("Bool"), {IS_IMPORTING_DATA}, f"{where}: Condition Bool")
    value = condition["Bool"].get(IS_IMPORTING_DATA)
    wanted = {"true": True, "false": False}.get(str(value).lower())
    if wanted is None:
        raise PolicyError(f"{where}: {IS_IMPORTING_DATA} must be true or false, not {value!r}")
    return wanted


def _members(value: Any, known: set[str], where: str) -> None:
    if not isinstance(value, dict):
        raise PolicyError(f"{where} must be an object")
    for member in value:
        if member not in known:
            raise PolicyError(f"{where}: {member} is not known; possible are {', '.join(sorted(known))}")


def _texts(value: Any, where: str) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise PolicyError(f"{where} must be a text or a list of texts")
    return texts
