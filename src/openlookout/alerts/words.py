"""Title and text of a message, for people. Knows the message only."""

from collections.abc import Callable, Mapping
from typing import Any

from openlookout.alerts import kinds

SENSORS_NAMED_MAX = 3

Message = Mapping[str, Any]


def title(message: Message) -> str:
    """One line."""
    return f"{message['model']}: {_TITLES[message['kind']](message)}"


def text(message: Message) -> str:
    """Some lines, without the link."""
    return _TEXTS[message["kind"]](message)


def _event(message: Message) -> str:
    event, lines = message["event"], []
    if event.get("late"):
        last = _short(event["last_row_at"])
        lines.append(f"Found in data that came late: it was from {_short(event['started_at'])} to {last}.")
    if event["reason"]:
        lines.append(event["reason"])
    for sensor in event["sensors"][:SENSORS_NAMED_MAX]:
        measured = ""
        if sensor["measured"] is not None and sensor["expected"] is not None:
            measured = f": measured {sensor['measured']:.6g}, expected {sensor['expected']:.6g}"
            if sensor["low"] is not None and sensor["high"] is not None:
                measured += f" ({sensor['low']:.6g} to {sensor['high']:.6g})"
        lines.append(f"{sensor['sensor']} ({sensor['contribution']:.0%}){measured}")
    if event["onset_order"]:
        lines.append(f"Deviated in this order: {', '.join(event['onset_order'])}")
    for past in message["similar"]:
        verdict = past["verdict"]
        said = "no verdict" if verdict is None else verdict["fault_code"] or verdict["rating"]
        lines.append(f"Similar ({past['similarity']:.0%}): {_short(past['started_at'])}, {said}")
    return "\n".join(lines)


def _late(message: Message) -> str:
    return ", in data that came late" if message["event"].get("late") else ""


def _led_by(message: Message) -> str:
    sensors = message["event"]["sensors"]
    return f", led by {sensors[0]['sensor']}" if sensors else ""


def _failed(message: Message) -> str:
    execution = message["execution"]
    return f"Data from {execution['data_start']} to {execution['data_end']}: {execution['reason']}"


def _silent(message: Message) -> str:
    silence = message["silence"]
    last = silence["last_row_at"]
    since = "No row was ever scored" if last is None else f"The last scored row is of {last}"
    return f"{since}; the limit is {_duration(silence['limit_seconds'])}."


def _trained(message: Message) -> str:
    version = message["version"]
    promotion = f" {version['promotion']}: {version['promotion_reason']}" if version["promotion"] else ""
    return f"Quality: {version['quality']}.{promotion}"


def _short(time: str) -> str:
    return f"{time[:10]} {time[11:16]} UTC"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    days, hours = divmod(hours, 24)
    parts = [f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if n]
    return " ".join(parts[:2])


_Words = dict[str, Callable[[Message], str]]

_TITLES: _Words = {
    kinds.EVENT_STARTED: lambda m: f"anomaly since {_short(m['event']['started_at'])}{_late(m)}{_led_by(m)}",
    kinds.EVENT_ENDED: lambda m: (
        f"anomaly over after {_duration(m['event']['duration_seconds'])}{_late(m)}{_led_by(m)}"
    ),
    kinds.EXECUTION_FAILED: lambda _: "an execution failed",
    kinds.EXECUTION_RECOVERED: lambda _: "executions succeed again",
    kinds.DATA_SILENT: lambda _: "no data",
    kinds.DATA_RETURNED: lambda _: "data is back",
    kinds.TRAINING_FINISHED: lambda m: f"version {m['version']['number']} is trained",
    kinds.TRAINING_FAILED: lambda m: f"the training of version {m['version']['number']} failed",
    kinds.VERSION_PROMOTED: lambda m: f"version {m['version']['number']} is active",
}
_TEXTS: _Words = {
    kinds.EVENT_STARTED: _event,
    kinds.EVENT_ENDED: _event,
    kinds.EXECUTION_FAILED: _failed,
    kinds.EXECUTION_RECOVERED: lambda m: f"The first that failed was due at {m['execution']['failing_since']}.",
    kinds.DATA_SILENT: _silent,
    kinds.DATA_RETURNED: lambda m: f"A row of {m['silence']['row_at']} was scored.",
    kinds.TRAINING_FINISHED: _trained,
    kinds.TRAINING_FAILED: lambda m: str(m["version"]["reason"]),
    kinds.VERSION_PROMOTED: lambda m: f"It replaces version {m['version']['previous']}, by {m['version']['by']}.",
}
