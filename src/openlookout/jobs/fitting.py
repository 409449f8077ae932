"""How dbos is made to fit: what there is no setting for, and what it keeps as JSON. Knows dbos; knows no job."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from dbos import DBOS, Serializer

from openlookout.jobs.failures import Final


def look_before_taking(dbos: DBOS, has_waiting: Callable[[str], bool]) -> None:
    """Let a queue in which nothing waits cost one question instead of a transaction of several statements.

    For the process that is alone on its file: it looks into each queue ten times a second.
    """
    system = dbos._sys_db
    take = system.start_queued_workflows

    def start_queued_workflows(queue: Any, *arguments: Any, **named: Any) -> Any:
        return take(queue, *arguments, **named) if has_waiting(queue.name) else ([], None)

    system.start_queued_workflows = start_queued_workflows  # type: ignore[method-assign]  # There is no setting for it.


def limit_this_process(dbos: DBOS, concurrency: Mapping[str, int]) -> dict[str, Any]:
    """Let a queue's limit be this process's own; give the queues that are known and not asked for again.

    dbos keeps it in the database, one for all, and reads it before each look into the queue: the process that started
    last would decide how much a machine of another size works at once.
    """
    system = dbos._sys_db
    read = system.get_queue
    known: dict[str, Any] = {}

    def get_queue(name: str, **options: Any) -> Any:
        if name in known:  # Nobody changes a queue; it is asked for before each look into it.
            return known[name]
        queue = read(name, **options)
        if queue is not None and name in concurrency:
            queue._worker_concurrency = concurrency[name]
            known[name] = queue
        return queue

    system.get_queue = get_queue  # type: ignore[method-assign]  # There is no setting for it.
    # The version is pinned, and every job has it; the question would be asked at each look into a queue.
    system._is_latest_version = lambda *_: True  # type: ignore[method-assign]  # Nor for this.
    return known


class Json(Serializer):
    """Arguments and step answers as JSON: readable in the database, and no pickle."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=_exception_text)

    def deserialize(self, serialized_data: str) -> Any:
        data = json.loads(serialized_data)
        return _exception(data["exception"]) if isinstance(data, dict) and set(data) == {"exception"} else data

    def name(self) -> str:
        return "json"


def _exception(text: str) -> Exception:
    kind, _, said = text.partition(": ")
    return Final(said) if kind == Final.__name__ else RuntimeError(text)


def _exception_text(value: Any) -> Any:
    if isinstance(value, BaseException):
        return {"exception": f"{(Final if isinstance(value, Final) else type(value)).__name__}: {value}"}
    message = f"not JSON: {type(value).__name__}"
    raise TypeError(message)
