"""CPU work in child processes that can be killed: with a time limit, a memory limit, and dying with their parent.

Children are started from one thread that lives as long as the process: Linux sends PR_SET_PDEATHSIG when the spawning
*thread* ends. Idle children are kept and used again, so that small work does not pay for imports.
"""

import os
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_process
from anyio.from_thread import start_blocking_portal

from openlookout.jobs.child_process import in_child
from openlookout.jobs.failures import Final, Lost
from openlookout.metrics import CHILDREN_BUSY, CHILDREN_KILLED

LOOK_SECONDS = 1.0

T = TypeVar("T")


class ChildTimeout(Final):
    """The work took longer than its limit and was killed."""


class ChildLost(Lost):
    """The child ended without an answer (killed, out of memory)."""


class ChildUnwanted(Exception):
    """Nobody wants the answer any more; the child was killed."""


class Children:
    """A bounded set of worker processes.

    `run` may be called from any thread; what is sent and what is answered is pickled, so both are small.
    """

    def __init__(self, n_max: int) -> None:
        self._n_max = n_max
        self._limiter: anyio.CapacityLimiter | None = None
        self._busy: set[anyio.CancelScope] = set()
        # A portal, not bare coroutines in a loop: anyio ends its workers with the task that first asked for one.
        self._open = start_blocking_portal(backend="asyncio", name="children")
        self._portal = self._open.__enter__()

    def run(
        self,
        seconds_max: float,
        function: Callable[..., T],
        *arguments: object,
        is_wanted: Callable[[], bool] | None = None,
    ) -> T:
        """Give the answer of `function(*arguments)`, computed in a child; `is_wanted` is asked now and then meanwhile.

        Raises:
            ChildTimeout: it took longer than `seconds_max`; the child was killed.
            ChildLost: the child ended without an answer, or `close` ended it.
            ChildUnwanted: `is_wanted` said no; the child was killed.
            Exception: whatever the function raised.
        """
        answer: T = self._portal.call(self._run, seconds_max, function, arguments, is_wanted)
        return answer

    async def _run(
        self,
        seconds_max: float,
        function: Callable[..., T],
        arguments: tuple[object, ...],
        is_wanted: Callable[[], bool] | None,
    ) -> T:
        if is_wanted is None:
            return await self._answer(seconds_max, function, arguments)
        ended: list[T | Exception] = []
        async with anyio.create_task_group() as both:
            both.start_soon(self._watch, is_wanted, both.cancel_scope)
            try:
                ended.append(await self._answer(seconds_max, function, arguments))
            except Exception as error:  # Raised below: a task group would wrap it.
                ended.append(error)
            both.cancel_scope.cancel()
        if not ended:
            CHILDREN_KILLED.labels("unwanted").inc()
            raise ChildUnwanted
        if isinstance(ended[0], Exception):
            raise ended[0]
        return ended[0]

    async def _watch(self, is_wanted: Callable[[], bool], scope: anyio.CancelScope) -> None:
        while await anyio.to_thread.run_sync(is_wanted):
            await anyio.sleep(LOOK_SECONDS)
        scope.cancel()

    async def _answer(self, seconds_max: float, function: Callable[..., T], arguments: tuple[object, ...]) -> T:
        if self._limiter is None:  # Limiters belong to the loop that they are made in.
            self._limiter = anyio.CapacityLimiter(self._n_max)
        with anyio.move_on_after(seconds_max) as scope:
            self._busy.add(scope)
            CHILDREN_BUSY.set(len(self._busy))
            try:
                return await anyio.to_process.run_sync(
                    in_child, os.getpid(), function, arguments, cancellable=True, limiter=self._limiter
                )
            # ProcessLookupError: anyio kills whoever does not answer, and for that a child may be gone already.
            except (anyio.BrokenWorkerProcess, ProcessLookupError) as error:
                CHILDREN_KILLED.labels("lost").inc()
                raise ChildLost(f"a child process ended without an answer: {error.__cause__!r}") from error
            finally:
                self._busy.discard(scope)
                CHILDREN_BUSY.set(len(self._busy))
        if anyio.current_time() >= scope.deadline:
            CHILDREN_KILLED.labels("timeout").inc()
            raise ChildTimeout(f"The work took longer than {seconds_max:.0f} s and was stopped.")
        CHILDREN_KILLED.labels("stopping").inc()
        raise ChildLost("the process is stopping")

    def close(self) -> None:
        """Kill every child, busy or idle; whoever waits for one gets ChildLost."""
        self._portal.call(self._cancel)
        self._open.__exit__(None, None, None)

    def _cancel(self) -> None:
        for scope in self._busy:
            scope.cancel()
