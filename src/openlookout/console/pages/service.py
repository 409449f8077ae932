"""The service itself: settings and limits, access keys, the audit log, metrics."""

import re

from starlette.responses import Response

from openlookout.api.errors import AccessDeniedException, ResourceNotFoundException, ValidationException
from openlookout.console import sessions
from openlookout.console.visit import Visit, page

REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
RECORDS_A_PAGE = 50
NOTE_CHARACTERS_MAX = 200


@page("/settings", ("GET", "POST"))
def settings(visit: Visit) -> Response:
    """What the service was started with, its limits, and the region that is looked at."""
    if visit.is_post:
        with visit.attempt():
            region = visit.form.get("region", "").strip()
            if not REGION.fullmatch(region):
                raise ValidationException(f"A region is of a-z, 0-9 and -, not '{region[:64]}'.")
            visit.session = sessions.in_region(visit.session, region)
            return visit.go("/settings", f"What was made in {region} is shown now.")
    about = visit.console.service.about()
    return visit.render("settings.html", about=about)


@page("/settings/keys", ("GET", "POST"))
def keys(visit: Visit) -> Response:
    """The access keys of the account; a new one's secret is shown this once."""
    made = None
    if visit.is_post:
        with visit.attempt():
            _check_may_change(visit)
            note = visit.form.get("note", "").strip()[:NOTE_CHARACTERS_MAX]
            is_read_only = visit.form.get("role") == "read-only"
            made = visit.console.service.create_key(visit.caller, note or None, is_read_only=is_read_only)
    found = visit.console.service.keys(visit.caller)
    return visit.render("keys.html", keys=found, made=made)


@page("/settings/keys/delete", ("POST",))
def delete_key(visit: Visit) -> Response:
    """Delete a key of the account, not the one that is signed in with."""
    _check_may_change(visit)
    key_id = visit.form.get("key", "")
    if visit.session.key is not None and key_id == visit.session.key.id:
        raise ValidationException("You have signed in with this key: sign in with another one to delete it.")
    if not visit.console.service.delete_key(visit.caller, key_id):
        raise ResourceNotFoundException(f"There is no access key {key_id[:128]} of this account.")
    return visit.go("/settings/keys", f"The key {key_id} is deleted. It opens nothing more in a few seconds.")


@page("/settings/audit")
def audit(visit: Visit) -> Response:
    """Who changed what, newest first."""
    resource = visit.query.get("resource", "").strip() or None
    before = visit.query_number("before", 0) or None
    records = visit.console.service.audit(visit.caller, before, RECORDS_A_PAGE, resource)
    return visit.render(
        "audit.html",
        records=records,
        resource=resource or "",
        before=before,
        following=records[-1].sequence if len(records) == RECORDS_A_PAGE else None,
    )


@page("/settings/metrics")
def metrics(visit: Visit) -> Response:
    """The figures that Prometheus is given, of this account; on this machine only those of the whole service too."""
    return visit.render("metrics.html", metrics=visit.console.service.metrics(visit.caller))


def _check_may_change(visit: Visit) -> None:
    """Keys are no resources of the API, so nobody else asks."""
    if not visit.may_change:
        raise AccessDeniedException(f"The access key '{visit.caller.principal}' is read-only and may not change keys.")
