"""The simulation: work of every kind, faults at random points of it, and what must be true afterwards; by a seed.

`PYTHONPATH=tests python -m crash.simulation --seed 7 --points 200` prints each fault, each verdict and, at the end, the
seed. The seed draws the work, the faults and the moments; which instruction a fault hits the machine decides.
"""

import argparse
import contextlib
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psutil

from crash.stage import Role, Stage, staged
from crash.story import ACTIONS, LIVE, N_WINDOWS, Story

DELAY_SECONDS_MAX = 3.0
DEAD_SECONDS = 4.5  # Longer than ten beats of a simulated worker.
FILE_BYTES_WHEN_FULL = 512
INTERRUPTIONS_MAX = 2  # A third end of the process that does it lets a work fail, and rightly so.
N_APIS, N_WORKERS = 2, 2


@dataclass
class Simulation:
    """One run. `interruptions` of this round: what counts as an attempt of the work that it hits."""

    stage: Stage
    story: Story
    draw: random.Random
    say: Callable[[str], None]
    interruptions: int = 0
    done: Counter[str] = field(default_factory=Counter)

    def round(self, number: int, faults: list[str]) -> list[str]:
        """Begin work, let the faults happen, mend everything, wait, and give what is wrong."""
        self.interruptions = 0
        actions = self.draw.sample([*ACTIONS], self.draw.randint(2, 4))
        if "inference" not in actions:
            actions.append("inference")
        self.say(f"round {number}: {', '.join(actions)}")
        for position, action in enumerate(actions):
            ACTIONS[action](self.story, f"{number}-{position}")
        for name in faults:
            time.sleep(self.draw.uniform(0, DELAY_SECONDS_MAX))
            self.say(f"  {name}")
            FAULTS[name](self)
            self.done[name] += 1
        self.mend()
        try:
            self.story.quiet()
            wrong = self.story.check()
        except AssertionError as error:
            wrong = [str(error)]
        self.say(f"  {wrong or 'all is well'}")
        return wrong

    def mend(self) -> None:
        self.stage.proxy.mode = "well"
        for role in list(self.stage.roles):
            if role.popen.poll() is not None:
                self.stage.roles.remove(role)
        self.stage.start("api", max(0, N_APIS - len(self.stage.of("api"))))
        self.stage.start("worker", max(0, N_WORKERS - len(self.stage.of("worker"))))

    def pick(self, kind: str) -> Role:
        return self.draw.choice(self.stage.of(kind))

    def pause(self, seconds_max: float = 3.0) -> None:
        time.sleep(self.draw.uniform(0.2, seconds_max))

    # Faults.

    def kill_worker(self) -> None:
        self.interruptions += 1
        self.stage.kill(self.pick("worker"))
        self.stage.start("worker")

    def kill_all_workers(self) -> None:
        self.interruptions += 1
        for role in self.stage.of("worker"):
            self.stage.kill(role)
        self.pause()
        self.stage.start("worker", N_WORKERS)

    def stop_worker(self) -> None:
        """An orderly end, as in an upgrade."""
        role = self.pick("worker")
        role.popen.terminate()
        self.stage.start("worker")
        role.popen.wait(60)
        self.stage.roles.remove(role)

    def kill_api(self) -> None:
        self.stage.kill(self.pick("api"))
        self.stage.start("api")

    def kill_child(self) -> None:
        children = [child for role in self.stage.of("worker") for child in role.children()]
        if children:
            self.interruptions += 1
            with contextlib.suppress(psutil.NoSuchProcess):
                self.draw.choice(children).kill()

    def zombie(self) -> None:
        """A worker stands still until its peers think it dead, and wakes up."""
        self.interruptions += 1
        role = self.pick("worker")
        role.popen.send_signal(signal.SIGSTOP)
        time.sleep(DEAD_SECONDS + self.draw.uniform(0, 3))
        role.popen.send_signal(signal.SIGCONT)

    def short_stop(self) -> None:
        role = self.pick("worker")
        role.popen.send_signal(signal.SIGSTOP)
        self.pause(2.0)
        role.popen.send_signal(signal.SIGCONT)

    def restart_postgres(self) -> None:
        self.stage.stop_postgres("fast")
        self.pause()
        self.stage.start_postgres()

    def crash_postgres(self) -> None:
        self.stage.stop_postgres("immediate")
        self.pause()
        self.stage.start_postgres()

    def cut_postgres(self) -> None:
        self.stage.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL"
        )

    def refuse_s3(self) -> None:
        self.stage.proxy.mode = "refuse"
        self.pause(6.0)
        self.stage.proxy.mode = "well"

    def slow_s3(self) -> None:
        self.stage.proxy.mode = "slow"
        self.pause(6.0)
        self.stage.proxy.mode = "well"

    def cut_s3(self) -> None:
        self.stage.proxy.mode = "cut"
        self.pause(6.0)
        self.stage.proxy.mode = "well"
        self.stage.proxy.cut_all()

    def fill_disk(self) -> None:
        """No file of a worker or its children may grow: what is written meets an error, as on a disk that is full."""
        role = self.pick("worker")
        processes = [psutil.Process(role.popen.pid), *role.children()]
        for limit in (FILE_BYTES_WHEN_FULL, resource.RLIM_INFINITY):
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.rlimit(psutil.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            if limit != resource.RLIM_INFINITY:
                self.pause(5.0)
        for process in role.children():  # Those that were born meanwhile.
            with contextlib.suppress(psutil.NoSuchProcess):
                process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def jump_forward(self) -> None:
        """The clock jumps an hour ahead and stays: an hour of windows is due at once."""
        self.story.tick(12)

    def jump_back(self) -> None:
        """The clock goes back an hour for a while: nothing that was done may be done again."""
        now = self.stage.now
        self.stage.set_clock(max(LIVE, now - timedelta(hours=1)))
        self.pause()
        self.stage.set_clock(now)

    def ten_workers(self) -> None:
        more = self.stage.start("worker", 10 - len(self.stage.of("worker")))
        self.story.tick(4)
        self.pause(5.0)
        for role in more:
            role.popen.terminate()
        for role in more:
            role.popen.wait(60)
            self.stage.roles.remove(role)


FAULTS: dict[str, Callable[[Simulation], None]] = {
    "kill -9 a worker": Simulation.kill_worker,
    "kill -9 all workers": Simulation.kill_all_workers,
    "kill -9 an API": Simulation.kill_api,
    "kill -9 a child": Simulation.kill_child,
    "stop a worker in order": Simulation.stop_worker,
    "a worker sleeps until it is thought dead, and wakes": Simulation.zombie,
    "a worker sleeps for a moment": Simulation.short_stop,
    "PostgreSQL is restarted": Simulation.restart_postgres,
    "PostgreSQL crashes": Simulation.crash_postgres,
    "PostgreSQL cuts every connection": Simulation.cut_postgres,
    "S3 refuses": Simulation.refuse_s3,
    "S3 is slow": Simulation.slow_s3,
    "S3 cuts what it says": Simulation.cut_s3,
    "a worker's disk is full": Simulation.fill_disk,
    "the clock jumps an hour ahead": Simulation.jump_forward,
    "the clock jumps an hour back": Simulation.jump_back,
    "ten workers": Simulation.ten_workers,
}
INTERRUPTING = {
    "kill -9 a worker",
    "kill -9 all workers",
    "kill -9 a child",
    "a worker sleeps until it is thought dead, and wakes",
}
RARE = {"ten workers": 20}  # Once in so many points: it is dear.


def plan(draw: random.Random, n_points: int) -> Iterator[list[str]]:
    """Draw the faults of each round: every kind as often as the others, no more that interrupt than work bears."""
    left: list[str] = []
    n = 0
    while n < n_points:
        faults: list[str] = []
        for _ in range(draw.randint(3, 6)):
            if not left:
                left = draw.sample([*FAULTS], len(FAULTS))
            name = left.pop()
            if sum(fault in INTERRUPTING for fault in [*faults, name]) > INTERRUPTIONS_MAX:
                left.insert(0, name)
                continue
            if name in RARE and n and n % RARE[name] > 4:
                continue
            faults.append(name)
        faults = faults[: n_points - n]
        n += len(faults)
        yield faults


def simulate(
    folder: Path, seed: int, rounds: Iterable[list[str]], say: Callable[[str], None], n_windows: int
) -> list[str]:
    """Run a simulation of some rounds of faults; give what was wrong."""
    draw = random.Random(seed)
    wrong: list[str] = []
    with staged(folder, draw, LIVE) as stage:
        stage.start("api", N_APIS)
        stage.start("worker", N_WORKERS)
        story = Story(stage, draw, n_windows=n_windows)
        simulation = Simulation(stage, story, draw, say)
        story.set_up()
        say("set up")
        for number, faults in enumerate(rounds):
            wrong += [f"round {number}: {each}" for each in simulation.round(number, faults)]
            if wrong:
                break
        n_executions = (story.last_due - LIVE) // timedelta(minutes=5) * 2
    wrong += [f"after the end: an orphan process: {process}" for process in stage.orphans()]
    n_points, n_requests = sum(simulation.done.values()), story.n_requests
    say(f"{n_points} points, {n_requests} requests accepted, {n_executions} executions: {dict(simulation.done)}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--points", type=int, default=200)
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(2**32)
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:7.1f} s  {text}", flush=True)

    say(f"seed {seed}, logs in {folder}")
    rounds = plan(random.Random(seed), asked.points)
    wrong = simulate(folder, seed, rounds, say, N_WINDOWS)
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    print(f"seed {seed}: {'nothing is wrong' if not wrong else f'{len(wrong)} things are wrong, logs in {folder}'}")
    if not wrong:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
