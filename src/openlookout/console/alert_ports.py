"""What the console is given to show and set alerts with. Knows no implementation; nothing that it gives is a secret."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from openlookout.alerts.channel_settings import ChannelSet, ChannelView
from openlookout.alerts.log import AlertView
from openlookout.alerts.maintenance import Maintenance
from openlookout.alerts.rule_settings import RuleView
from openlookout.api.caller import Caller


@dataclass(frozen=True)
class WantedChannel:
    """A channel as a form says it. `options` without what was left empty; `kinds` and `models` of None: all."""

    name: str
    kind: str
    options: Mapping[str, str]
    kinds: Sequence[str] | None
    models: Sequence[str] | None
    per_hour: int


class Alerts(Protocol):
    """Alerts of the caller's account and region.

    What cannot be is refused with a ValidationException, what is not there with a ResourceNotFoundException.
    """

    def channels(self, caller: Caller) -> Sequence[ChannelView]:
        """Give the channels, by name."""
        ...

    def channel(self, caller: Caller, name: str) -> ChannelSet:
        """Give what was set for a channel."""
        ...

    def put_channel(self, caller: Caller, wanted: WantedChannel) -> str | None:
        """Make a channel or change the one of that name; give the secret that was made for it, if one was.

        A secret that is left out stays as it is; a new webhook without one gets one.
        """
        ...

    def delete_channel(self, caller: Caller, name: str) -> None:
        """Delete a channel, with what waits for it."""
        ...

    def send_test(self, caller: Caller, name: str) -> str:
        """Send a test over a channel now; give where it went."""
        ...

    def rule(self, caller: Caller, model: str) -> RuleView:
        """Give what is wanted of a model's alerts."""
        ...

    def set_rule(self, caller: Caller, model: str, rule: RuleView) -> None:
        """Say when a model's alerts are wanted; a snooze stays."""
        ...

    def snoozed_until(self, caller: Caller, model: str) -> datetime | None:
        """Give until when a model's alerts are quiet; None: they are not."""
        ...

    def snooze(self, caller: Caller, model: str, until: datetime | None) -> None:
        """Be quiet about a model until a time; None: no longer."""
        ...

    def maintenances(self, caller: Caller) -> Sequence[tuple[Maintenance, str | None]]:
        """Give the maintenance windows by name, each with its model, None for all."""
        ...

    def put_maintenance(self, caller: Caller, window: Maintenance, model: str | None) -> None:
        """Make a maintenance window or change the one of that name."""
        ...

    def delete_maintenance(self, caller: Caller, name: str) -> None:
        """Delete a maintenance window."""
        ...

    def log(self, caller: Caller, n_max: int) -> Sequence[AlertView]:
        """Give the newest alerts first."""
        ...
