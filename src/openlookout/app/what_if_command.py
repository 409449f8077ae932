"""The command `openlookout what-if`: has a stretch scored with a version, and tells what some limits come to."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pkgutil import resolve_name
from typing import Any

from openlookout.api.caller import Caller
from openlookout.api.errors import ResourceNotFoundException, ValidationException
from openlookout.app.folder import emptied, locked
from openlookout.app.foundation import Foundation, check_buckets, opened
from openlookout.app.refused import StartRefused
from openlookout.app.what_ifs import WhatIfs
from openlookout.app.worker import working
from openlookout.console.what_if_ports import FACTOR_MAX, FACTOR_MIN, Run, Tried
from openlookout.operations.models import find_model
from openlookout.operations.operation import Context
from openlookout.settings import Settings

LOOK_SECONDS = 0.2


def what_if(
    settings: Settings, model: str, version: int | None, span: tuple[datetime, datetime], factors: Sequence[float]
) -> tuple[Run, list[Tried]]:
    """Score a stretch with a version of a model (None: the active one); give the run and what each factor comes to.

    A service that runs on the data folder does the work; without one this process does, and then ends.

    Raises:
        ServiceError: there is no such model or version, the stretch is none or holds no reading, or a factor is none.
        StartRefused: the service's own bucket cannot be used.
    """
    for factor in factors:
        if not FACTOR_MIN <= factor <= FACTOR_MAX:
            raise ValidationException(f"A factor is {FACTOR_MIN:g} to {FACTOR_MAX:g}, not {factor:g}.")
    caller = Caller(settings.account, settings.region, "command")
    with ExitStack() as stack:
        foundation = stack.enter_context(opened(settings))
        check_buckets(foundation.buckets)
        copies = stack.enter_context(tempfile.TemporaryDirectory(prefix="what-if-"))
        what_ifs = WhatIfs(foundation, partial(_here, foundation, copies))
        number = version or _active(foundation, caller, model)
        identity = what_ifs.start(caller, model, number, span)
        try:
            stack.enter_context(locked(settings.data))
        except StartRefused:
            pass  # A service runs there, and sees the job within a moment.
        else:
            stack.enter_context(working(foundation, emptied(settings.data / "scratch")))
        while (run := _run(what_ifs, caller, model, identity)).status == "IN_PROGRESS":
            time.sleep(LOOK_SECONDS)
        if run.status != "SUCCESS":
            raise ValidationException(run.failed_reason or "It failed.")
        return run, [what_ifs.tried(caller, model, identity, factor, (0, 0)) for factor in factors]


def _here(foundation: Foundation, copies: str, name: str, *arguments: object) -> Mapping[str, Any]:
    """What a child would give, in this process."""
    answer: Mapping[str, Any] = resolve_name(f"openlookout.views.{name}")(foundation.buckets, copies, *arguments)
    return answer


def _active(foundation: Foundation, caller: Caller, name: str) -> int:
    context = Context("look", caller.account, caller.region, caller.request_id, foundation.ports())
    with foundation.database.reading() as connection:
        number: int | None = find_model(context, connection, name).active_version
    if number is None:
        raise ResourceNotFoundException(f"The model '{name}' has no active version; name one.")
    return number


def _run(what_ifs: WhatIfs, caller: Caller, model: str, identity: str) -> Run:
    return next(one for one in what_ifs.runs(caller, model) if one.id == identity)
