"""Channels, rules and maintenance windows from one YAML file, that is kept with a plant's other configuration."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from openlookout.alerts.channel_settings import PER_HOUR_DEFAULT, put_channel
from openlookout.alerts.maintenance import Maintenance
from openlookout.alerts.place import Place, Refused
from openlookout.alerts.rule_settings import RuleView, put_maintenance, set_rule
from openlookout.alerts.spans import rows_of, seconds_of

FILE_BYTES_MAX = 2**20
SECTIONS = {
    "channels": ("kind", "alerts", "models", "per_hour", "options"),
    "rules": ("persistence", "minimum", "silence"),
    "maintenance": ("start", "duration", "zone", "recurrence", "model"),
}


def apply_file(place: Place, path: Path, now: datetime) -> list[str]:
    """Make what the file says, all of it or nothing; give a line for each thing.

    Raises:
        Refused: the file cannot be read, or something in it cannot be; the message names both.
    """
    said = _read(path)
    done = []
    with place.together() as all_of_it:
        for section, items in said.items():
            for name, item in items.items():
                with _named(f"{path}, {section}, '{name}'"):
                    _check(section, item)
                    _MAKE[section](all_of_it, name, item, now)
                done.append(f"{section}: {name}")
    return done


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise Refused(f"{path} has more than {FILE_BYTES_MAX} bytes")
        said = yaml.safe_load(path.read_text())
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        # Not the library's own words: they quote the line, which may be a secret.
        raise Refused(f"{path} is no YAML" + (f": line {where.line + 1}" if where else "")) from None
    if not isinstance(said, dict) or not all(isinstance(items, dict) for items in said.values()):
        raise Refused(f"{path} has the sections {', '.join(SECTIONS)}, in each of them names")
    unknown = [section for section in said if section not in SECTIONS]
    if unknown:
        raise Refused(f"{path}: there is no section '{unknown[0]}'; there are {', '.join(SECTIONS)}")
    return said


def _check(section: str, item: Any) -> None:
    if not isinstance(item, dict):
        raise Refused(f"it has the members {', '.join(SECTIONS[section])}")
    unknown = [member for member in item if member not in SECTIONS[section]]
    if unknown:
        raise Refused(f"there is no '{unknown[0]}'; there are {', '.join(SECTIONS[section])}")


@contextmanager
def _named(where: str) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise Refused(f"{where}: {error} is missing") from None
    except (Refused, ValueError, TypeError) as error:
        raise Refused(f"{where}: {error}") from None


def _channel(place: Place, name: str, item: Mapping[str, Any], now: datetime) -> None:
    options = {key: str(value) for key, value in item.get("options", {}).items()}
    per_hour = int(item.get("per_hour", PER_HOUR_DEFAULT))
    wanted, models = item.get("alerts"), item.get("models")
    put_channel(place, name, item["kind"], options, now, kinds=wanted, models=models, per_hour=per_hour)


def _rule(place: Place, name: str, item: Mapping[str, Any], _now: datetime) -> None:
    k, n = rows_of(item.get("persistence", "1/1"))
    silence = item.get("silence", "auto")
    minimum = seconds_of(item.get("minimum", "0s"))
    set_rule(place, name, RuleView(k, n, minimum, None if silence == "auto" else seconds_of(silence)))


def _maintenance(place: Place, name: str, item: Mapping[str, Any], _now: datetime) -> None:
    start = item["start"]
    begin = start if isinstance(start, datetime) else datetime.fromisoformat(start)
    minutes = seconds_of(item["duration"]) // 60
    put_maintenance(place, Maintenance(name, begin, minutes, item["zone"], item.get("recurrence")), item.get("model"))


_MAKE = {"channels": _channel, "rules": _rule, "maintenance": _maintenance}
