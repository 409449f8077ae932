"""The kinds of channels there are."""

from typing import Final

from openlookout.alerts.mail import Mail
from openlookout.alerts.mqtt import Mqtt
from openlookout.alerts.sending import BadChannel, Channel
from openlookout.alerts.webhook import Webhook

CHANNELS: Final[dict[str, Channel]] = {"webhook": Webhook(), "email": Mail(), "mqtt": Mqtt()}


def channel_of(kind: str) -> Channel:
    """Give the kind of channel.

    Raises:
        BadChannel: there is no such kind.
    """
    if kind not in CHANNELS:
        raise BadChannel(f"'{kind}' is no kind of channel; there are {', '.join(CHANNELS)}")
    return CHANNELS[kind]
