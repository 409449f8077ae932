"""The read ports of the console: finds rows here, has arrays read in child processes of its own.

Loads no arrays itself: what a child does is named, not imported. Its children are not the jobs': a chart does not wait
until a training has ended.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from openlookout.api.caller import Caller
from openlookout.api.errors import ResourceNotFoundException, ThrottlingException
from openlookout.api.instants import to_microseconds
from openlookout.buckets.buckets import BucketSettings
from openlookout.console.ports import Asset
from openlookout.jobs.children import ChildLost, Children, ChildTimeout
from openlookout.logs import logger
from openlookout.store.database import Database
from openlookout.store.tables import dataset, ingestion_job
from openlookout.views import assets
from openlookout.views.called import called

SECONDS_MAX = 60.0
N_CHILDREN = 2
log = logger(__name__)


class Views:
    """Answers for one process. `scratch` gets a folder with copies of the objects that were read last."""

    def __init__(self, database: Database, buckets: BucketSettings, scratch: str) -> None:
        self._database, self._buckets = database, buckets
        self._scratch = str(Path(scratch) / "views")
        self._children = Children(N_CHILDREN)

    def close(self) -> None:
        self._children.close()

    def assets(self, caller: Caller, now: datetime) -> list[Asset]:
        """Give all assets of the caller, worst first."""
        return assets.assets(self._database, caller, now)

    def sparks(self, caller: Caller, schedulers: Sequence[str], now: datetime) -> dict[str, list[float | None]]:
        """Give the highest scores of the last seven days; see `views/assets.py`."""
        return assets.sparks(self._database, caller, schedulers, now)

    def readings(
        self,
        caller: Caller,
        dataset_name: str,
        sensors: Sequence[str],
        span: tuple[datetime | None, datetime | None],
        off: tuple[str, float] | None = None,
    ) -> Mapping[str, Any]:
        """Give the readings of some sensors (full names) of a dataset, reduced for a chart; see `views/readings.py`.

        Raises:
            ResourceNotFoundException: there is no such dataset, or it holds no data.
        """
        with self._database.reading() as connection:
            manifest_key = connection.execute(
                select(ingestion_job.c.manifest_key)
                .join(dataset, dataset.c.ingestion_job_id == ingestion_job.c.id)
                .where(
                    dataset.c.account == caller.account,
                    dataset.c.region == caller.region,
                    dataset.c.name == dataset_name,
                )
            ).scalar()
        if manifest_key is None:
            raise ResourceNotFoundException(f"The dataset '{dataset_name}' does not exist or holds no data.")
        span_us = tuple(None if at is None else to_microseconds(at) for at in span)
        return self.in_child("readings:of_dataset", manifest_key, list(sensors), span_us, off)

    def in_child(self, name: str, *arguments: object) -> Mapping[str, Any]:
        """Give what `openlookout.views.<module>:<function>` gives for buckets, scratch and the arguments."""
        try:
            answer: Mapping[str, Any] = self._children.run(
                SECONDS_MAX, called, f"openlookout.views.{name}", self._buckets, self._scratch, *arguments
            )
        except (ChildTimeout, ChildLost) as error:
            log.warning("a picture was given up", picture=name, reason=str(error))
            raise ThrottlingException(
                f"Reading the data took longer than {SECONDS_MAX:.0f} s or was cut off: the machine is busy. "
                "Try again, or look at a shorter range."
            ) from error
        return answer
