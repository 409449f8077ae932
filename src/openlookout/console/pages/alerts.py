"""Who is told of what: channels with a test, rules and snoozes of models, maintenance windows, and what was sent."""

from starlette.responses import Response

from openlookout.alerts.channel_settings import PER_HOUR_DEFAULT
from openlookout.alerts.kinds import KINDS
from openlookout.alerts.rule_settings import RuleView
from openlookout.api.errors import AccessDeniedException, ValidationException
from openlookout.console import maintenance_form
from openlookout.console.alert_ports import WantedChannel
from openlookout.console.visit import Notice, Visit, page

LOG_SHOWN = 50
CHANNEL_KINDS = {"webhook": "Webhook", "email": "E-mail", "mqtt": "MQTT"}
OPTIONS = {
    "webhook": ("url", "secret"),
    "email": ("host", "port", "security", "user", "password", "sender", "to"),
    "mqtt": ("host", "port", "tls", "user", "password", "topic"),
}
MINUTE_SECONDS = 60


@page("/alerts")
def channels(visit: Visit) -> Response:
    """The channels."""
    return visit.render("alert_channels.html", channels=visit.console.alerts.channels(visit.caller), kinds=KINDS)


@page("/new/channel", ("GET", "POST"))
def new_channel(visit: Visit) -> Response:
    """The form of a new channel, of the kind that the address says."""
    kind = visit.query.get("kind", "webhook")
    if kind not in CHANNEL_KINDS:
        raise ValidationException(f"A channel is {', '.join(CHANNEL_KINDS)}, not '{kind[:50]}'.")
    name = visit.form.get("name", "").strip()
    if visit.is_post:
        with visit.attempt():
            if name in {one.name for one in visit.console.alerts.channels(visit.caller)}:
                raise ValidationException(
                    f"There is a channel '{name[:100]}' already: take another name, or change it."
                )
            return _kept(visit, _wanted(visit, name, kind))
    return _channel_form(visit, None, kind, {})


@page("/alerts/channel", ("GET", "POST"))
def change_channel(visit: Visit) -> Response:
    """A channel that there is, in the form that changes it; its name is in the address."""
    name = visit.query.get("name", "")
    known = visit.console.alerts.channel(visit.caller, name)
    if visit.is_post:
        with visit.attempt():
            return _kept(visit, _wanted(visit, name, known.kind))
    return _channel_form(visit, name, known.kind, vars(known))


@page("/alerts/channel/test", ("POST",))
def test_channel(visit: Visit) -> Response:
    """Send a test now, and say what became of it."""
    _check_may_change(visit)
    name = visit.form.get("name", "")
    try:
        where = visit.console.alerts.send_test(visit.caller, name)
    except ValidationException as error:
        said = f"The test did not arrive. {error.message} Correct the channel, or what it leads to, and test again."
        return visit.go("/alerts", Notice(said, is_refusal=True))
    return visit.go("/alerts", f"The test went over {name} to {where}. Look there whether it has come.")


@page("/alerts/channel/delete", ("POST",))
def delete_channel(visit: Visit) -> Response:
    """Delete a channel, with what waits for it."""
    _check_may_change(visit)
    name = visit.form.get("name", "")
    visit.console.alerts.delete_channel(visit.caller, name)
    return visit.go("/alerts", f"The channel {name} is deleted.")


@page("/alerts/rules", ("GET", "POST"))
def rules(visit: Visit) -> Response:
    """When alerts of each model are wanted; one of them in a form."""
    models = [one["ModelName"] for one in visit.listed("ListModels")]
    chosen = visit.query.get("model") or (models[0] if models else None)
    if visit.is_post and chosen is not None:
        with visit.attempt():
            _check_may_change(visit)
            visit.console.alerts.set_rule(visit.caller, chosen, _rule(visit))
            return visit.go("/alerts/rules", f"The rule of {chosen} is kept.", model=chosen)
    known = {name: visit.console.alerts.rule(visit.caller, name) for name in models}
    rule = RuleView() if chosen is None else visit.console.alerts.rule(visit.caller, chosen)
    return visit.render("alert_rules.html", models=known, chosen=chosen, rule=rule)


@page("/alerts/maintenance", ("GET", "POST"))
def maintenance(visit: Visit) -> Response:
    """The maintenance windows, and the form that makes one or changes the one that the address names."""
    windows = visit.console.alerts.maintenances(visit.caller)
    name = visit.query.get("name", "")
    if visit.is_post:
        with visit.attempt():
            _check_may_change(visit)
            window = maintenance_form.read(visit.form, visit.form.get("name", "").strip())
            visit.console.alerts.put_maintenance(visit.caller, window, visit.form.get("model") or None)
            return visit.go("/alerts/maintenance", f"The maintenance {window.name} is kept.")
    found = next(((one, model) for one, model in windows if one.name == name), None)
    fields = maintenance_form.fields_of(*found) if found else maintenance_form.begun(visit.now())
    return visit.render(
        "alert_maintenance.html",
        windows=[(one, model, one.occurrences(visit.now(), 1)) for one, model in windows],
        fields={**fields, **visit.form} if visit.is_post else fields,
        days=visit.form.getlist("day") if visit.is_post else fields["days"].split(),
        is_new=found is None,
        models=[one["ModelName"] for one in visit.listed("ListModels")],
        form=maintenance_form,
        same=lambda names: [(name, name) for name in names],
    )


@page("/alerts/maintenance/delete", ("POST",))
def delete_maintenance(visit: Visit) -> Response:
    """Delete a maintenance window."""
    _check_may_change(visit)
    name = visit.form.get("name", "")
    visit.console.alerts.delete_maintenance(visit.caller, name)
    return visit.go("/alerts/maintenance", f"The maintenance {name} is deleted.")


@page("/alerts/log")
def log(visit: Visit) -> Response:
    """The newest alerts, and what became of each delivery."""
    return visit.render("alert_log.html", alerts=visit.console.alerts.log(visit.caller, LOG_SHOWN))


def _channel_form(visit: Visit, name: str | None, kind: str, known: dict[str, object]) -> Response:
    return visit.render(
        "alert_channel.html",
        name=name,
        kind=kind,
        known=known,
        kinds=KINDS,
        channel_kinds=CHANNEL_KINDS,
        models=[one["ModelName"] for one in visit.listed("ListModels")],
        per_hour=PER_HOUR_DEFAULT,
    )


def _wanted(visit: Visit, name: str, kind: str) -> WantedChannel:
    form = visit.form
    _check_may_change(visit)
    given = {option: form.get(option, "").strip() for option in OPTIONS[kind]}
    kinds = [one for one in KINDS if one in form.getlist("alert")]
    if not kinds:
        raise ValidationException("A channel tells of at least one kind of alert: tick one.")
    per_hour = form.get("per_hour", "").strip()
    if not (per_hour.isascii() and per_hour.isdecimal() and len(per_hour) < 8):
        raise ValidationException(f"Messages an hour are a whole number, not '{per_hour[:50]}'.")
    return WantedChannel(
        name=name,
        kind=kind,
        options={option: value for option, value in given.items() if value},
        kinds=None if len(kinds) == len(KINDS) else kinds,
        models=form.getlist("model") or None,
        per_hour=int(per_hour),
    )


def _kept(visit: Visit, wanted: WantedChannel) -> Response:
    """Keep a channel; a secret that was made for it is shown this once."""
    made = visit.console.alerts.put_channel(visit.caller, wanted)
    if made is not None:
        return visit.render("alert_secret.html", name=wanted.name, secret=made)
    return visit.go("/alerts", f"The channel {wanted.name} is kept. Send a test over it.")


def _rule(visit: Visit) -> RuleView:
    silence = (
        _number(visit, "silence", "The silence") * MINUTE_SECONDS if visit.form.get("silence", "").strip() else None
    )
    return RuleView(
        rows_anomalous=_number(visit, "k", "The rows that are anomalous"),
        rows_looked_at=_number(visit, "n", "The rows that are looked at"),
        seconds_min=_number(visit, "minimum", "The minimum duration") * MINUTE_SECONDS,
        silence_seconds=silence,
    )


def _number(visit: Visit, field: str, what: str) -> int:
    text = visit.form.get(field, "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 8):
        raise ValidationException(f"{what} must be a whole number, not '{text[:50]}'.")
    return int(text)


def _check_may_change(visit: Visit) -> None:
    """Alerts are no resources of the API, so nobody else asks."""
    if not visit.may_change:
        raise AccessDeniedException(
            f"The access key '{visit.caller.principal}' is read-only and may not change alerts."
        )
