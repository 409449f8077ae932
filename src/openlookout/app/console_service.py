"""What the console shows of the service itself, and the access keys that it makes; each account sees its own only."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from itertools import chain

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

from openlookout.api.caller import AccessKey, Caller
from openlookout.app.foundation import Foundation
from openlookout.console.ports import About, Metric
from openlookout.limits import ENVIRONMENT_PREFIX as LIMIT_PREFIX
from openlookout.metrics import REGISTRY
from openlookout.settings import ENVIRONMENT_PREFIX
from openlookout.store import audit
from openlookout.store import keys as key_store
from openlookout.wire.server import Server

# Neither addresses nor paths nor secrets: another account's users read this too.
SETTINGS_SHOWN = ("region", "buckets", "limits", "token_hours", "late_hours", "workers")
ROWS_MAX = 500


class ConsoleService:
    """Answers for one process."""

    def __init__(self, foundation: Foundation, server: Server) -> None:
        self._foundation, self._server = foundation, server

    def about(self) -> About:
        settings, limits = self._foundation.settings, self._foundation.limits
        shown = {
            f"{ENVIRONMENT_PREFIX}{field.name.upper()}": str(getattr(settings, field.name))
            for field in fields(settings)
            if field.name in SETTINGS_SHOWN
        }
        database = "SQLite" if self._foundation.database.is_sqlite else "PostgreSQL"
        return About(
            {"database": database, **shown},
            {f"{LIMIT_PREFIX}{name.upper()}": value for name, value in asdict(limits).items()},
            self._server.health(),
        )

    def keys(self, caller: Caller) -> Sequence[key_store.ListedKey]:
        return key_store.list_keys(self._foundation.database, caller.account)

    def create_key(self, caller: Caller, note: str | None, *, is_read_only: bool) -> AccessKey:
        return key_store.create_key(
            self._foundation.database,
            caller.account,
            note,
            self._foundation.clock.now(),
            caller.region,
            is_read_only=is_read_only,
            **_by(caller),
        )

    def delete_key(self, caller: Caller, key_id: str) -> bool:
        database = self._foundation.database
        if key_id not in {one.id for one in key_store.list_keys(database, caller.account)}:
            return False
        return key_store.delete_key(database, key_id, self._foundation.clock.now(), caller.region, **_by(caller))

    def audit(self, caller: Caller, before: int | None, limit: int, resource: str | None) -> Sequence[audit.Record]:
        with self._foundation.database.reading() as connection:
            return audit.page(connection, caller.account, caller.region, before=before, limit=limit, resource=resource)

    def metrics(self, caller: Caller) -> Sequence[Metric]:
        """Those of the account; figures of all accounts are for who needs no key, on this machine."""
        families: Iterator[Family] = chain(self._server.metrics.collect(), REGISTRY.collect())
        found: list[Metric] = []
        for family in families:
            for sample in family.samples:
                if len(found) < ROWS_MAX and self._is_for(caller, sample):
                    hidden = {"account", "region"}
                    labels = ", ".join(f"{name} {value}" for name, value in sample.labels.items() if name not in hidden)
                    found.append(Metric(sample.name, labels, sample.value, family.documentation))
        return found

    def _is_for(self, caller: Caller, sample: Sample) -> bool:
        if sample.name.endswith(("_bucket", "_created")):
            return False
        if "account" in sample.labels:
            return bool(
                sample.labels["account"] == caller.account
                and sample.labels.get("region", caller.region) == caller.region
            )
        return caller.principal is None


def _by(caller: Caller) -> dict[str, str]:
    """Who is in the audit log for it."""
    return {"principal": caller.principal or audit.LOCAL, "request_id": caller.request_id}
