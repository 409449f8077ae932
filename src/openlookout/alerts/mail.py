"""E-mail: one message by SMTP to all recipients, its text for people and its JSON attached."""

import smtplib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any

from openlookout.alerts.sending import (
    SECONDS_MAX,
    BadChannel,
    Envelope,
    Rejected,
    Unreachable,
    check_names,
    port_of,
    resolved,
)
from openlookout.logs import logger

PORTS = {"starttls": 587, "tls": 465, "none": 25}
RECIPIENTS_MAX = 50
# 5yz: it will not be otherwise the next time either, unless somebody changes something.
PERMANENT = 500

log = logger(__name__)


class Mail:
    """A mail server that takes messages."""

    fields = ("host", "port", "security", "user", "password", "sender", "to", "ca_file")
    secrets = ("password",)

    def check(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        check_names("email", self.fields, ("host", "sender", "to"), configuration)
        security = configuration.get("security", "starttls")
        if security not in PORTS:
            raise BadChannel(f"security is starttls, tls or none, not '{security}'")
        if security == "none" and configuration.get("user"):
            raise BadChannel("a password is not sent without security: take starttls or tls")
        if bool(configuration.get("user")) != bool(configuration.get("password")):
            raise BadChannel("user and password belong together")
        recipients = [address.strip() for address in str(configuration["to"]).split(",")]
        for address in (configuration["sender"], *recipients):
            name, sign, domain = address.partition("@")
            if not (name and sign and domain) or not address.isprintable() or set(address) & set(" <>,;"):
                raise BadChannel(f"'{address}' is no address")
        if len(recipients) > RECIPIENTS_MAX:
            raise BadChannel(f"{len(recipients)} recipients; {RECIPIENTS_MAX} are the most")
        given = {**configuration, "to": ",".join(recipients), "security": security}
        return {
            "user": None,
            "password": None,
            "ca_file": None,
            **given,
            "port": port_of(configuration.get("port", PORTS[security])),
        }

    def shown(self, configuration: Mapping[str, Any]) -> str:
        return f"{configuration['to']} by {configuration['host']}:{configuration['port']}"

    def send(self, configuration: Mapping[str, Any], envelope: Envelope) -> None:
        where = f"{configuration['host']}:{configuration['port']}"
        password = None if configuration["password"] is None else resolved(configuration["password"])
        message = _message(configuration, envelope)
        try:
            server = _connected(configuration)
            try:
                if password is not None:
                    _sign_in(server, where, configuration["user"], password)
                refused = server.send_message(message)
            finally:
                with suppress(smtplib.SMTPException, OSError):
                    server.quit()
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            raise _refusal(f"{where} refuses every recipient ({codes[0]})", codes[0]) from None
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
            raise _refusal(f"{where} refuses the message ({error.smtp_code})", error.smtp_code) from None
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(f"the certificate of {where} is not trusted: {error.verify_message}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise Unreachable(f"{where} does not answer: {type(error).__name__}") from None
        if refused:
            log.warning("a mail server refuses some recipients", server=where, n_refused=len(refused))


def _connected(configuration: Mapping[str, Any]) -> smtplib.SMTP:
    host, port, security = configuration["host"], configuration["port"], configuration["security"]
    if security == "none":
        return smtplib.SMTP(host, port, timeout=SECONDS_MAX)
    trusted = ssl.create_default_context(cafile=configuration["ca_file"])
    if security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=SECONDS_MAX, context=trusted)
    server = smtplib.SMTP(host, port, timeout=SECONDS_MAX)
    try:
        server.starttls(context=trusted)  # A server that does not offer it is an error: nothing goes out unencrypted.
    except (smtplib.SMTPException, OSError):
        server.close()
        raise
    return server


def _sign_in(server: smtplib.SMTP, where: str, user: str, password: str) -> None:
    try:
        server.login(user, password)
    except smtplib.SMTPAuthenticationError as error:
        raise Unreachable(f"{where} does not let {user} in ({error.smtp_code})") from None
    except smtplib.SMTPServerDisconnected:  # Some hang up instead of saying so.
        raise Unreachable(f"{where} does not let {user} in: it ends the connection") from None


def _message(configuration: Mapping[str, Any], envelope: Envelope) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = " ".join(envelope.title.split())
    message["From"] = configuration["sender"]
    message["To"] = configuration["to"]
    message["Date"] = formatdate()
    # The same whenever it is sent again: mail programs show it once.
    message["Message-ID"] = f"<{envelope.id}@openlookout>"
    link = envelope.message["link"]
    message.set_content(envelope.text + (f"\n\n{link}" if link else "") + "\n")
    message.add_attachment(envelope.body, maintype="application", subtype="json", filename="alert.json")
    return message


def _refusal(said: str, code: int) -> Rejected | Unreachable:
    return Rejected(said) if code >= PERMANENT else Unreachable(said)
