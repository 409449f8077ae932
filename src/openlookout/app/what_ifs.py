"""What-ifs as the console asks for them: rows, jobs and audit records here, arrays in child processes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from openlookout.api.caller import Caller
from openlookout.api.errors import (
    AccessDeniedException,
    ConflictException,
    ResourceNotFoundException,
    ValidationException,
)
from openlookout.api.instants import from_microseconds, to_microseconds
from openlookout.app.foundation import Foundation
from openlookout.console.what_if_ports import Alarm, Run, Series, Span, Tried
from openlookout.jobs.label_sources import label_sources
from openlookout.jobs.what_if_request import forget_what_if, request_what_if, stop_what_if
from openlookout.operations.idempotency import claim
from openlookout.operations.imports import COPIED, COPIED_CONFIGURATION
from openlookout.operations.models import check_pending, find_model, model_arn
from openlookout.operations.operation import Context, count
from openlookout.store.audit import LOCAL, Entry, note
from openlookout.store.lifecycles import MODEL, move
from openlookout.store.model_versions import next_version, version_id, version_parts
from openlookout.store.subjects import version_subject
from openlookout.store.tables import model, model_version
from openlookout.store.what_if_tables import what_if

InChild = Callable[..., Mapping[str, Any]]
UNDER_WAY_MAX = 4  # Of a model: each is a stretch that is scored whole.
# An evaluation says of a version what it is; another limit is evaluated anew.
NOT_COPIED = ("quality", "metrics", "labelled")
# What the version's labels come from is the model's own, as it is now.
OWN_CONFIGURATION = ("LabelsInputConfiguration", "RoleArn")


@dataclass(frozen=True)
class WhatIfs:
    """Answers for one process; `in_child` is `Views.in_child`."""

    foundation: Foundation
    in_child: InChild

    def runs(self, caller: Caller, model_name: str) -> list[Run]:
        """Give the runs that are kept, the newest first."""
        with self.foundation.database.reading() as connection:
            of = find_model(self._context(caller, "look"), connection, model_name)
            rows = connection.execute(
                select(what_if).where(what_if.c.model_id == of.id).order_by(what_if.c.created_at.desc(), what_if.c.id)
            )
            return [
                Run(
                    row.id,
                    row.version,
                    row.data_start,
                    row.data_end,
                    row.status,
                    row.failed_reason,
                    row.percent,
                    row.created_at,
                )
                for row in rows
            ]

    def start(self, caller: Caller, model_name: str, version: int, span: tuple[datetime, datetime]) -> str:
        """Have a stretch scored; give the run's id."""
        _check_may_change(caller)
        if span[1] <= span[0]:
            raise ValidationException(
                f"The stretch must end after it begins; it begins {span[0].isoformat()} and ends {span[1].isoformat()}."
            )
        context = self._context(caller, "StartWhatIf")
        with self.foundation.database.writing() as connection:
            of = find_model(context, connection, model_name)
            found = _version(connection, of, version)
            if found.status != "SUCCESS":
                raise ConflictException(
                    f"Version {version} of the model '{model_name}' is {found.status}; only a version that is SUCCESS "
                    "can score."
                )
            under_way = (what_if.c.model_id == of.id, what_if.c.status == "IN_PROGRESS")
            if count(connection, what_if, *under_way) >= UNDER_WAY_MAX:
                raise ConflictException(
                    f"{UNDER_WAY_MAX} what-ifs of the model '{model_name}' are under way; no more until one has ended."
                )
            queue, now = self.foundation.queue, context.now()
            identity = request_what_if(connection, queue, of.id, version, span, now=now)
            request = {"ModelName": model_name, "ModelVersion": version, "StartTime": span[0], "EndTime": span[1]}
            self._record(connection, context, model_arn(context, of.name, of.id), request, {"run": identity})
        return identity

    def stop(self, caller: Caller, model_name: str, run: str) -> None:
        """End a run that is under way, else forget it."""
        _check_may_change(caller)
        context = self._context(caller, "StopWhatIf")
        with self.foundation.database.writing() as connection:
            of, found = self._find(connection, context, model_name, run)
            if not stop_what_if(connection, found.id, context.now()):
                context = replace(context, operation="DeleteWhatIf")
                forget_what_if(connection, self.foundation.queue, of.id, found.id)
            request = {"ModelName": model_name, "Run": run}
            self._record(connection, context, model_arn(context, of.name, of.id), request, None)

    def apply(self, caller: Caller, model_name: str, run: str, factor: float, client_token: str) -> int:
        """Make a version whose limits are those of the run's version times `factor`; give its number."""
        _check_may_change(caller)
        context = self._context(caller, "ApplyWhatIf")
        request = {"ModelName": model_name, "Run": run, "Factor": factor, "ClientToken": client_token}
        with self.foundation.database.writing() as connection:
            of, found = self._find(connection, context, model_name, run)
            number, created_at = next_version(connection, of.id, context.now())
            made = version_id(of.id, number)
            earlier = claim(context, connection, request, made=made, owner=of.id, ends_later=True)
            if earlier is not None:
                return version_parts(earlier)[1]
            source = _version(connection, of, found.version)
            if not move(connection, MODEL, model.c.id == of.id, "IMPORT_IN_PROGRESS", updated_at=context.now()):
                raise ConflictException(
                    f"The model '{model_name}' is {of.status}; apply the limit when that has ended."
                )
            check_pending(context, connection)
            row = _applied(context, of, source, found, factor)
            row |= {"version": number, "created_at": created_at, "updated_at": created_at}
            connection.execute(model_version.insert(), row)
            self.foundation.queue.enqueue(connection, "apply-limit", made)
            subject = version_subject(connection, made)
            assert subject is not None
            self._record(connection, context, subject.arn, request, subject.state)
        return number

    def tried(self, caller: Caller, model_name: str, run: str, factor: float, page: tuple[int, int]) -> Tried:
        """Give what a factor comes to, with the alarms of a page (first, number)."""
        said = self.in_child("what_if:tried", self._job(caller, model_name, run), factor, page)
        return Tried(
            factor=factor,
            months=said["months"],
            n_alarms=said["n_alarms"],
            n_false=said["n_false"],
            false_time=timedelta(microseconds=said["false_us"]),
            labelled=[
                (from_microseconds(start), from_microseconds(end), _span(warning))
                for start, end, warning in said["labelled"]
            ],
            warning=_span(said["warning_us"]),
            alarms=[
                Alarm(
                    from_microseconds(one["start_us"]),
                    from_microseconds(one["end_us"]),
                    one["is_false"],
                    [(name, share) for name, share in one["sensors"]],
                )
                for one in said["alarms"]
            ],
            labels_failed=said["labels_failed"],
        )

    def timeline(self, caller: Caller, model_name: str, run: str, factor: float, span: Span) -> Series:
        """Give what decides over a stretch, in multiples of the limit, and where it alarms."""
        span_us = tuple(None if at is None else to_microseconds(at) for at in span)
        return self.in_child("what_if:timeline", self._job(caller, model_name, run), factor, span_us)

    def curve(self, caller: Caller, model_name: str, run: str, factor: float) -> Series:
        """Give what each of some factors comes to."""
        return self.in_child("what_if:curve", self._job(caller, model_name, run), factor)

    def factors(self, caller: Caller, model_name: str) -> dict[int, float]:
        """Give the versions that were made by a run, each with its factor."""
        with self.foundation.database.reading() as connection:
            of = find_model(self._context(caller, "look"), connection, model_name)
            rows = connection.execute(
                select(model_version.c.version, model_version.c.limit_factor).where(
                    model_version.c.model_id == of.id, model_version.c.limit_factor.is_not(None)
                )
            )
            return {row.version: row.limit_factor for row in rows}

    def _job(self, caller: Caller, model_name: str, run: str) -> dict[str, Any]:
        """What a child needs to know of a run that has succeeded."""
        context = self._context(caller, "look")
        with self.foundation.database.reading() as connection:
            of, found = self._find(connection, context, model_name, run)
            labels = label_sources(connection, of, of.configuration)
        if found.object_prefix is None:
            raise ResourceNotFoundException(f"The what-if {run} of the model '{model_name}' has no result.")
        span = {"start_us": to_microseconds(found.data_start), "end_us": to_microseconds(found.data_end)}
        return {"prefix": found.object_prefix, **span, **labels}

    def _find(self, connection: Connection, context: Context, model_name: str, run: str) -> tuple[Row[Any], Row[Any]]:
        of = find_model(context, connection, model_name)
        found = connection.execute(
            select(what_if).where(what_if.c.model_id == of.id, what_if.c.id == run)
        ).one_or_none()
        if found is None:
            raise ResourceNotFoundException(f"The model '{model_name}' has no what-if {run[:50]}.")
        return of, found

    def _context(self, caller: Caller, operation: str) -> Context:
        ports = self.foundation.ports()
        return Context(operation, caller.account, caller.region, caller.request_id, ports, caller.principal)

    def _record(
        self, connection: Connection, context: Context, arn: str, request: Mapping[str, Any], after: Any
    ) -> None:
        entry = Entry(
            at=context.now(),
            account=context.account,
            region=context.region,
            principal=context.principal or LOCAL,
            operation=context.operation,
            resource=arn,
            request_id=context.request_id,
            request=request,
            after=after,
        )
        note(connection, entry)


def _applied(context: Context, of: Row[Any], source: Row[Any], run: Row[Any], factor: float) -> dict[str, Any]:
    """The row of a version that is `source` with other limits.

    It is evaluated where its source was, so that the two compare; where that was nowhere, on the run's stretch.
    """
    copied = {column: source._mapping[column] for column in COPIED if column not in NOT_COPIED}
    configuration = {name: source.configuration[name] for name in COPIED_CONFIGURATION if name in source.configuration}
    configuration |= {name: of.configuration[name] for name in OWN_CONFIGURATION if name in of.configuration}
    if source.evaluation_data_start is None:
        copied |= {"evaluation_data_start": run.data_start, "evaluation_data_end": run.data_end}
    return {
        **copied,
        "model_id": of.id,
        "status": "IMPORT_IN_PROGRESS",
        "source_type": "IMPORT",
        "attempt": 0,
        "configuration": configuration,
        "ingestion_job_id": source.ingestion_job_id,
        "source_arn": f"{model_arn(context, of.name, of.id)}/model-version/{source.version}",
        "source_prefix": source.object_prefix,
        "import_strategy": "NO_IMPORT",
        "import_started_at": context.now(),
        "limit_factor": factor,
    }


def _version(connection: Connection, of: Row[Any], number: int) -> Row[Any]:
    mine = (model_version.c.model_id == of.id, model_version.c.version == number)
    found = connection.execute(select(model_version).where(*mine)).one_or_none()
    if found is None:
        raise ResourceNotFoundException(f"The model '{of.name}' has no version {number}.")
    return found


def _check_may_change(caller: Caller) -> None:
    if caller.is_read_only:
        raise AccessDeniedException("This access key is read-only and may neither run nor apply what-ifs.")


def _span(us: float | None) -> timedelta | None:
    return None if us is None else timedelta(microseconds=us)
