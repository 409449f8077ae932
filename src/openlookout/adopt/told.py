"""What is said of each resource, by whom: the service's own answers count before a script, that before a template."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openlookout.adopt.facts import RANKS, Fact, Unreadable
from openlookout.adopt.plan import Entry, Said

# What a deployment tool has put there, and only AWS may.
RESERVED_TAG = "aws:"
NOT_TAKEN_OVER = {"RoleArn", "ServerSideKmsKeyId", "ClientToken"}


@dataclass(frozen=True)
class Told:
    """Everything that was said of one resource: the value of a member is the best-placed one's."""

    name: str
    facts: Sequence[Fact]

    def get(self, *path: str) -> Said | None:
        """Give what is said at a path of members; None where nobody says anything."""
        for fact in self.facts:
            value: Any = fact.members
            for member in path:
                value = value.get(member) if isinstance(value, Mapping) else None
            if value is not None and not isinstance(value, Unreadable):
                return Said(value, fact.origin_of(path))
        return None

    def tags(self) -> Said | None:
        """All tags that anybody tells; of one key the best-placed value."""
        found: dict[str, str] = {}
        origins: list[str] = []
        for fact in self.facts:
            tags = fact.members.get("Tags")
            for tag in tags if isinstance(tags, list) else []:
                key, value = (tag.get("Key"), tag.get("Value", "")) if isinstance(tag, Mapping) else (None, None)
                if not isinstance(key, str) or not isinstance(value, str) or key.startswith(RESERVED_TAG):
                    continue
                found.setdefault(key, value)
                origins.append(fact.origin_of(("Tags",)))
        return Said(found, ", and ".join(dict.fromkeys(origins))) if found else None

    def unreadable(self) -> list[str]:
        """The members that stand somewhere, but cannot be told from there, and that nobody else tells."""
        return [
            f"{fact.origin}: {'.'.join(path)} of '{self.name}' cannot be told from '{value.text}'"
            for fact in self.facts
            for path, value in _leaves(fact.members, ())
            if path[-1] not in NOT_TAKEN_OVER
            if isinstance(value, Unreadable) and (path[-1] == "Tags" or self.get(*path) is None)
        ]


def _leaves(members: Mapping[str, Any], path: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Any]]:
    for name, value in members.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, str(name)))
        elif name == "Tags" and isinstance(value, list):
            for tag in (tag for tag in value if isinstance(tag, Mapping)):
                yield from (((*path, "Tags"), one) for one in tag.values())
        else:
            yield (*path, str(name)), value


def by_name(facts: Sequence[Fact], kind: str) -> dict[str, Told]:
    """Give everything that was said of the resources of a kind, by their names."""
    named: dict[str, list[Fact]] = {}
    for fact in sorted(facts, key=lambda fact: RANKS.index(fact.rank)):
        if fact.kind == kind and fact.name is not None:
            named.setdefault(fact.name, []).append(fact)
    return {name: Told(name, group) for name, group in sorted(named.items())}


def add(entry: Entry, member: str, said: Said | None) -> None:
    """Add a member, if something is said of it."""
    if said is not None:
        entry[member] = said


def guess(value: Any, why: str) -> Said:
    return Said(value, f"guessed: {why}")
