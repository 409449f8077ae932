"""Who looks at a page: a cookie sealed with the database's key, and the token that each form carries.

A session names an access key, never its secret; each request looks the key up again, so a key that was deleted opens
nothing any more. Real time, not the service's clock: a browser keeps the cookie by its own.
"""

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, replace

from openlookout.api.caller import AccessKey
from openlookout.console.ports import Console, Keys, Seals

SESSION_SECONDS = 12 * 3600
SESSION, FORM = "console-session", "console-form"


@dataclass(frozen=True)
class Session:
    """`id` is random and binds the forms to the browser; `key` is None for who has not signed in."""

    id: str
    key: AccessKey | None
    region: str
    until: int

    @property
    def seconds_left(self) -> int:
        return max(0, self.until - int(time.time()))


def fresh(region: str, key: AccessKey | None = None) -> Session:
    """Give a new session. Signing in makes one, so that nobody can have planted its id."""
    return Session(secrets.token_urlsafe(18), key, region, int(time.time()) + SESSION_SECONDS)


def in_region(session: Session, region: str) -> Session:
    return replace(session, region=region)


def sealed(session: Session, seals: Seals) -> str:
    """Give the cookie's value."""
    key = session.key
    named = ["", ""] if key is None else [key.id, _digest(key)]
    return seals.seal([session.id, *named, session.region, session.until], SESSION)


def opened(cookie: str | None, seals: Seals, keys: Keys) -> Session | None:
    """Give the session of a cookie's value; None when it is not ours, has ended, or its key is no key any more."""
    if not cookie:
        return None
    try:
        identity, key_id, digest, region, until = seals.open(cookie, SESSION)
    except ValueError:
        return None
    if int(until) <= time.time():
        return None
    if not key_id:
        return Session(str(identity), None, str(region), int(until))
    key = keys.find(str(key_id))
    if key is None or not hmac.compare_digest(_digest(key), str(digest)):
        return None
    return Session(str(identity), key, str(region), int(until))


def may_enter(console: Console, session: Session) -> bool:
    """Whether pages are shown: to who has signed in, and to all where only this machine looks and there is no key."""
    return session.key is not None or (console.is_open_without_keys and not console.keys.any())


def form_token(session: Session, seals: Seals) -> str:
    """Give what every form of this session carries."""
    return seals.seal([session.id], FORM)


def is_form_token(token: str, session: Session, seals: Seals) -> bool:
    """Whether a form came from a page that this session was shown."""
    try:
        (identity,) = seals.open(token, FORM)
    except ValueError:
        return False
    return hmac.compare_digest(str(identity), session.id)


def _digest(key: AccessKey) -> str:
    """A key made anew under an old id is another key."""
    return hashlib.sha256(f"{key.id}\n{key.secret}".encode()).hexdigest()[:32]
