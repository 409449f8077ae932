"""Signing in with an access key, and out again."""

import hmac

from starlette.responses import Response

from openlookout.api.errors import UnrecognizedClientException
from openlookout.console import sessions
from openlookout.console.visit import Visit, page


@page("/sign-in", ("GET", "POST"), is_public=True)
def sign_in(visit: Visit) -> Response:
    """The form; with the right secret a session of that key begins."""
    to = own_path(visit.form.get("to") or visit.query.get("to"))
    if visit.is_post:
        with visit.attempt():
            visit.session = _session(visit)
            return visit.go(to)
    elif sessions.may_enter(visit.console, visit.session):
        return visit.go(to)
    has_keys = visit.console.keys.any()
    return visit.render("sign_in.html", to=to, key_id=visit.form.get("key_id", ""), has_keys=has_keys)


@page("/sign-out", ("POST",), is_public=True)
def sign_out(visit: Visit) -> Response:
    """Begin a session of nobody; the one before opens nothing without its cookie."""
    visit.session = sessions.fresh(visit.console.region)
    return visit.go("/sign-in", "You have signed out.")


def _session(visit: Visit) -> sessions.Session:
    key = visit.console.keys.find(visit.form.get("key_id", "").strip())
    secret = visit.form.get("secret", "").strip()
    # Compared even without a key, so that the time tells nothing.
    is_right = hmac.compare_digest((key.secret if key else "no key").encode(), secret.encode())
    if key is None or not is_right:
        raise UnrecognizedClientException("The access key id and the secret do not belong together.")
    return sessions.fresh(visit.form.get("region", "").strip() or visit.console.region, key)


def own_path(to: str | None) -> str:
    """A path of this console; anything else, and other hosts above all, becomes the overview."""
    is_own = to is not None and to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()
    return to if is_own and to is not None else "/"
