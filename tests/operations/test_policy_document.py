"""Resource policies as texts: what is understood, what is refused, and what they allow."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlookout.operations.policy_document import (
    ACTIONS,
    IMPORT_DATASET,
    IMPORT_MODEL_VERSION,
    IS_IMPORTING_DATA,
    PolicyError,
    parse_policy,
    verdict,
)

ARN = "arn:aws:lookoutequipment:us-east-1:111111111111:model/pump/0a"
ACCOUNTS = ("222222222222", "333333333333")


def policy(*statements: dict[str, Any], **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more})


def statement(**more: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNTS[0]}:role/Admin"},
        "Action": [IMPORT_MODEL_VERSION],
        "Resource": ARN,
        **more,
    }


def test_the_guides_example_lets_the_account_of_the_role_in() -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": statement()})
    assert verdict(text, ACCOUNTS[0], IMPORT_MODEL_VERSION, is_importing_data=True) == "allow"
    assert verdict(text, ACCOUNTS[1], IMPORT_MODEL_VERSION, is_importing_data=True) == "none"
    assert verdict(text, ACCOUNTS[0], IMPORT_DATASET, is_importing_data=True) == "none"


@pytest.mark.parametrize(
    "principal",
    ["*", {"AWS": "*"}, {"AWS": ACCOUNTS[0]}, {"AWS": [ACCOUNTS[1], f"arn:aws:iam::{ACCOUNTS[0]}:root"]}],
)
def test_a_principal_is_everybody_an_account_or_an_arn_of_one(principal: Any) -> None:
    text = policy(statement(Principal=principal))
    assert verdict(text, ACCOUNTS[0], IMPORT_MODEL_VERSION, is_importing_data=False) == "allow"


REFUSED: dict[str, tuple[str, str]] = {
    "no JSON": ("{", "not JSON"),
    "a list": ("[]", "the policy must be an object"),
    "a text": ('"a"', "the policy must be an object"),
    "deep": ("[" * 100_000, "not JSON"),
    "no statement": (policy(), "has no Statement"),
    "a statement that is none": (json.dumps({"Statement": ["x"]}), "statement 1 must be an object"),
    "another version": (policy(statement(), Version="2020-01-01"), "Version '2020-01-01' is not known"),
    "a member that is none": (policy(statement(), Else=1), "Else is not known"),
    "an effect that is none": (
        policy(statement(Effect="Maybe")),
        "statement 1: Effect must be Allow or Deny, not 'Maybe'",
    ),
    "another action": (policy(statement(Action="lookoutequipment:*")), r"Action 'lookoutequipment:\*' cannot be given"),
    "no action": (policy(statement(Action=[])), "Action must be a text or a list of texts"),
    "a number as action": (policy(statement(Action=[1])), "Action must be a text or a list of texts"),
    "NotAction": (policy(statement(NotAction="x")), "NotAction is not known"),
    "another resource": (policy(statement(Resource=ARN + "b")), "is not the resource of the policy"),
    "no principal": (policy({**statement(), "Principal": None}), "Principal must be an object"),
    "a service": (policy(statement(Principal={"Service": "x"})), "Service is not known; possible are AWS"),
    "a principal that is none": (policy(statement(Principal={"AWS": "me"})), "Principal 'me' is no account"),
    "another condition": (
        policy(statement(Condition={"StringEquals": {"aws:PrincipalOrgID": "o"}})),
        "Condition: StringEquals is not known",
    ),
    "another key": (
        policy(statement(Condition={"Bool": {"aws:SecureTransport": "true"}})),
        "aws:SecureTransport is not",
    ),
    "a value that is none": (
        policy(statement(Condition={"Bool": {IS_IMPORTING_DATA: "perhaps"}})),
        "must be true or false, not 'perhaps'",
    ),
    "a condition without value": (policy(statement(Condition={"Bool": {}})), "must be true or false, not None"),
    "two effects": (
        '{"Statement": {"Effect": "Deny", "Effect": "Allow", "Principal": "*", "Action": "' + IMPORT_DATASET + '"}}',
        "a member is there twice",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_refused(name: str) -> None:
    text, message = REFUSED[name]
    with pytest.raises(PolicyError, match=message):
        parse_policy(text, ARN)


STATEMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "Effect": st.sampled_from(["Allow", "Deny"]),
            "Principal": st.one_of(
                st.just("*"),
                st.lists(st.sampled_from(ACCOUNTS), min_size=1, max_size=2).map(lambda names: {"AWS": names}),
            ),
            "Action": st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=2),
        },
        optional={
            "Condition": st.sampled_from(["true", "false"]).map(lambda value: {"Bool": {IS_IMPORTING_DATA: value}})
        },
    ),
    min_size=1,
    max_size=4,
)


@given(statements=STATEMENTS, account=st.sampled_from(ACCOUNTS), action=st.sampled_from(ACTIONS), data=st.booleans())
def test_a_deny_wins_over_any_allow_and_nothing_said_is_nothing(
    statements: list[dict[str, Any]], account: str, action: str, data: bool
) -> None:
    effects = {
        each["Effect"]
        for each in statements
        if (each["Principal"] == "*" or account in each["Principal"]["AWS"])
        and action in each["Action"]
        and ("Condition" not in each or each["Condition"]["Bool"][IS_IMPORTING_DATA] == str(data).lower())
    }
    expected = "deny" if "Deny" in effects else "allow" if effects else "none"
    assert verdict(policy(*statements), account, action, is_importing_data=data) == expected


@given(
    text=st.text(max_size=60) | st.recursive(st.none() | st.text(max_size=5), st.lists, max_leaves=5).map(json.dumps)
)
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(PolicyError, match=r"."):
        parse_policy(text, ARN)
