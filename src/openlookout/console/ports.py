"""What the console is given: the operations, the keys, and what is read for pictures. Knows no implementation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from openlookout.api.caller import AccessKey, Caller
from openlookout.clock import Clock
from openlookout.console.alert_ports import Alerts
from openlookout.console.model_ports import ModelViews
from openlookout.console.what_if_ports import WhatIfs
from openlookout.store.audit import Record
from openlookout.store.keys import ListedKey

# Validates a request and carries it out; raises a ServiceError.
Call = Callable[[str, Caller, Mapping[str, Any]], Mapping[str, Any]]
# A picture as JSON: see `console/charts.py`.
Series = Mapping[str, Any]


class Keys(Protocol):
    """Where configured access keys are found."""

    def find(self, key_id: str) -> AccessKey | None: ...

    def any(self) -> bool: ...


class Seals(Protocol):
    """Seals texts and numbers with the database's key, bound to a scope; `open` raises ValueError."""

    def seal(self, values: Sequence[str | int], scope: str) -> str: ...

    def open(self, sealed: str, scope: str) -> list[str | int]: ...


# What an asset is in, the worst first.
STATES = ("ANOMALOUS", "FAILING", "SILENT", "FAILED", "WAITING", "TRAINING", "STOPPED", "UNWATCHED", "NORMAL")


@dataclass(frozen=True)
class Asset:
    """A model and the scheduler that watches with it, if any.

    `state` is one of STATES, `why` a sentence about it. `last_at` and `last_score` are of the newest row that was
    scored. `n_events`: of the last seven days.
    """

    model: str
    dataset: str
    version: int | None
    quality: str | None
    scheduler: str | None
    scheduler_status: str | None
    state: str
    why: str
    since: datetime | None
    last_at: datetime | None
    last_score: float | None
    n_events: int
    snoozed_until: datetime | None
    retraining_due: datetime | None
    retraining_status: str | None

    @property
    def rank(self) -> int:
        return STATES.index(self.state)


class Views(Protocol):
    """What is read for people to look at, beyond the API's own answers."""

    def assets(self, caller: Caller, now: datetime) -> Sequence[Asset]:
        """Give all assets, worst first."""
        ...

    def sparks(self, caller: Caller, schedulers: Sequence[str], now: datetime) -> Mapping[str, list[float | None]]:
        """Give of each scheduler the highest scores of the last seven days, in even steps; None: no score."""
        ...

    def readings(
        self,
        caller: Caller,
        dataset: str,
        sensors: Sequence[str],
        span: tuple[datetime | None, datetime | None],
        off: tuple[str, float] | None = None,
    ) -> Series:
        """Give the readings of some sensors (full names) of a dataset, reduced for a chart, with their gaps and faults;
        with `off` (`<` or `>`, a value) also where that holds.

        Raises:
            ResourceNotFoundException: there is no such dataset, or it holds no data.
        """
        ...


@dataclass(frozen=True)
class About:
    """What the service was started with, its limits by variable, and a word for each part: "ok" when it is well."""

    settings: Mapping[str, str]
    limits: Mapping[str, int]
    health: Mapping[str, str]


@dataclass(frozen=True)
class Metric:
    """One figure as Prometheus is given it."""

    name: str
    labels: str
    value: float
    meaning: str


class Service(Protocol):
    """The service itself, as far as the caller's account may see it."""

    def about(self) -> About:
        """Give what may be known of how it was started."""
        ...

    def keys(self, caller: Caller) -> Sequence[ListedKey]:
        """Give the access keys of the account, oldest first."""
        ...

    def create_key(self, caller: Caller, note: str | None, *, is_read_only: bool) -> AccessKey:
        """Make an access key of the account."""
        ...

    def delete_key(self, caller: Caller, key_id: str) -> bool:
        """Delete an access key; False when the account has no such key."""
        ...

    def audit(self, caller: Caller, before: int | None, limit: int, resource: str | None) -> Sequence[Record]:
        """Give records of the audit log, newest first, below a sequence."""
        ...

    def metrics(self, caller: Caller) -> Sequence[Metric]:
        """Give the figures that the account may see."""
        ...


@dataclass(frozen=True)
class Console:
    """What all pages of one process share.

    `account` and `region` are those of whoever is let in without a key; that is everybody while there are no keys, if
    `is_open_without_keys`.
    """

    call: Call
    keys: Keys
    seals: Seals
    views: Views
    models: ModelViews
    what_ifs: WhatIfs
    alerts: Alerts
    service: Service
    clock: Clock
    account: str
    region: str
    version: str
    is_open_without_keys: bool
