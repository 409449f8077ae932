"""The snooze of a model's alerts as the console changes it; each change leaves a record in the audit log."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from openlookout.alerts import place, rule_settings
from openlookout.api.caller import Caller
from openlookout.api.errors import ResourceNotFoundException
from openlookout.clock import Clock
from openlookout.store.audit import LOCAL, Entry, note
from openlookout.store.database import Database
from openlookout.store.subjects import arn


@dataclass(frozen=True)
class Snoozes:
    """The snooze of a model's alert rule; a change leaves a record."""

    database: Database
    clock: Clock

    def until(self, caller: Caller, model: str) -> datetime | None:
        with _known():
            snoozed = rule_settings.rule_of(self._place(caller), model).snoozed_until
        return snoozed if snoozed is not None and snoozed > self.clock.now() else None

    def set(self, caller: Caller, model: str, until: datetime | None) -> None:
        with self._place(caller).together() as place, _known():
            rule_settings.snooze(place, model, until)
            assert place.transaction is not None
            entry = Entry(
                at=self.clock.now(),
                account=caller.account,
                region=caller.region,
                principal=caller.principal or LOCAL,
                operation="SnoozeAlerts",
                resource=arn(caller.account, caller.region, f"model/{model}"),
                request_id=caller.request_id,
                request={"ModelName": model, "Until": until},
            )
            note(place.transaction, entry)

    def _place(self, caller: Caller) -> place.Place:
        return place.Place(self.database, caller.account, caller.region)


@contextmanager
def _known() -> Iterator[None]:
    try:
        yield
    except place.Refused as refused:
        raise ResourceNotFoundException(f"{str(refused).capitalize()}.") from None
