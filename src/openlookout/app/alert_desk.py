"""Alerts as the console sets them: the functions of the command line, for an account, without what reads this machine.

A secret that names a variable or a file of this machine (`env:`, `file:`) can be set by whoever is on it, not through a
page: over a channel to a server of one's own it would tell what it names.
"""

import base64
import secrets as random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from openlookout.alerts import channel_settings, rule_settings
from openlookout.alerts.channel_settings import ChannelSet, ChannelView
from openlookout.alerts.channels import channel_of
from openlookout.alerts.log import AlertView, alert_log
from openlookout.alerts.maintenance import Maintenance
from openlookout.alerts.place import By, Place, Refused
from openlookout.alerts.rule_settings import RuleView
from openlookout.alerts.sending import BadChannel
from openlookout.api.caller import Caller
from openlookout.api.errors import ResourceNotFoundException, ValidationException
from openlookout.clock import Clock
from openlookout.console.alert_ports import WantedChannel
from openlookout.store.audit import LOCAL
from openlookout.store.database import Database

SECRET_BYTES = 32
OF_THIS_MACHINE = ("env:", "file:")


@dataclass(frozen=True)
class AlertDesk:
    """Answers for one process; `base_url` is where the links of messages lead."""

    database: Database
    clock: Clock
    base_url: str

    def channels(self, caller: Caller) -> Sequence[ChannelView]:
        return channel_settings.channels(self._place(caller))

    def channel(self, caller: Caller, name: str) -> ChannelSet:
        with _known():
            return channel_settings.channel_set(self._place(caller), name)

    def put_channel(self, caller: Caller, wanted: WantedChannel) -> str | None:
        made = None
        with self._place(caller).together() as place, _known():
            _check_options(wanted)
            options = channel_settings.with_kept_secrets(place, wanted.name, wanted.kind, wanted.options)
            if wanted.kind == "webhook" and not options.get("secret"):
                made = "whsec_" + base64.b64encode(random.token_bytes(SECRET_BYTES)).decode()
                options["secret"] = made
            channel_settings.put_channel(
                place,
                wanted.name,
                wanted.kind,
                options,
                self.clock.now(),
                kinds=wanted.kinds,
                models=wanted.models,
                per_hour=wanted.per_hour,
            )
        return made

    def delete_channel(self, caller: Caller, name: str) -> None:
        with _known():
            channel_settings.delete_channel(self._place(caller), name)

    def send_test(self, caller: Caller, name: str) -> str:
        with _known():
            return channel_settings.send_test(self._place(caller), name, self.clock.now(), self.base_url)

    def rule(self, caller: Caller, model: str) -> RuleView:
        with _known():
            return rule_settings.rule_of(self._place(caller), model)

    def set_rule(self, caller: Caller, model: str, rule: RuleView) -> None:
        with _known():
            rule_settings.set_rule(self._place(caller), model, rule)

    def snoozed_until(self, caller: Caller, model: str) -> datetime | None:
        until = self.rule(caller, model).snoozed_until
        return until if until is not None and until > self.clock.now() else None

    def snooze(self, caller: Caller, model: str, until: datetime | None) -> None:
        with _known():
            rule_settings.snooze(self._place(caller), model, until)

    def maintenances(self, caller: Caller) -> Sequence[tuple[Maintenance, str | None]]:
        return rule_settings.maintenances(self._place(caller))

    def put_maintenance(self, caller: Caller, window: Maintenance, model: str | None) -> None:
        with _known():
            rule_settings.put_maintenance(self._place(caller), window, model)

    def delete_maintenance(self, caller: Caller, name: str) -> None:
        with _known():
            rule_settings.delete_maintenance(self._place(caller), name)

    def log(self, caller: Caller, n_max: int) -> Sequence[AlertView]:
        return alert_log(self._place(caller), n_max)

    def _place(self, caller: Caller) -> Place:
        by = By(caller.principal or LOCAL, self.clock.now(), caller.request_id)
        return Place(self.database, caller.account, caller.region, by=by)


def _check_options(wanted: WantedChannel) -> None:
    try:
        secret = channel_of(wanted.kind).secrets
    except BadChannel as error:
        raise ValidationException(_sentence(error)) from None
    for name in secret:
        if wanted.options.get(name, "").startswith(OF_THIS_MACHINE):
            raise ValidationException(
                f"The {name} names a variable or a file of the service's machine: only the command line sets those, "
                "with 'openlookout alerts channel set'."
            )
    if "ca_file" in wanted.options:
        raise ValidationException("A file of the service's machine is set by the command line only.")


@contextmanager
def _known() -> Iterator[None]:
    """Raise refusals as errors of the API."""
    try:
        yield
    except Refused as refused:
        kind = ResourceNotFoundException if str(refused).startswith("there is no ") else ValidationException
        raise kind(_sentence(refused)) from None


def _sentence(error: Exception) -> str:
    said = str(error)
    return f"{said[:1].upper()}{said[1:]}."  # Not capitalize(): names keep their capitals.
