"""The survey: every file of the old service's is looked at once, and told what it is. Reads; concludes nothing yet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from openlookout.adopt.answers import NoAnswer, read_answers
from openlookout.adopt.facts import Fact
from openlookout.adopt.layouts import Inference, Sheet, Training, input_folders, look_into, training_sets
from openlookout.adopt.leftovers import TEXT_BYTES_MAX, Place
from openlookout.adopt.old_results import Interval, NoResults, intervals_of, read_rows
from openlookout.adopt.scripts import NoScript, read_script
from openlookout.adopt.templates import NoTemplate, read_template
from openlookout.buckets.errors import BucketError

RESULTS = "results.jsonl"
RESULTS_PARQUET = "results.parquet"  # The same once more.
DIAGNOSTICS = "model_diagnostics_results.json.gz"


@dataclass
class OldRun:
    """Results below one folder: one scheduler's, or one version's diagnostics. `files`: which they are."""

    folder: str
    files: list[str] = field(default_factory=list)
    rows: list[tuple] = field(default_factory=list)  # type: ignore[type-arg]  # old_results.Row

    @property
    def intervals(self) -> list[Interval]:
        return intervals_of(sorted(self.rows, key=lambda row: row[0]))


@dataclass
class Survey:
    """What was found. `problems` are sentences, each with the file that it is about."""

    facts: list[Fact] = field(default_factory=list)
    training: list[Training] = field(default_factory=list)
    inputs: list[Inference] = field(default_factory=list)
    labels: list[Sheet] = field(default_factory=list)
    runs: dict[str, OldRun] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    n_other: int = 0


def survey(places: Sequence[Place], tell: Callable[[str], None] = lambda _: None) -> Survey:
    """Look at every file; a file that cannot be read is a problem and stops nothing."""
    found = Survey()
    for place in places:
        tables: list[str] = []
        for info in place.files:
            name = info.key.rpartition("/")[2].lower()
            if name.endswith((".csv", ".csv.gz", ".parquet")) and name != RESULTS_PARQUET:
                tables.append(info.key)
            elif name in {RESULTS, DIAGNOSTICS}:
                _old_results(place, info.key, found)
            elif name.endswith((".json", ".txt", ".yaml", ".yml", ".template", ".py", ".ipynb")):
                tell(info.key)
                _told(place, info.key, found)
            else:
                found.n_other += 1
        _tables(place, tables, found)
    return found


def _tables(place: Place, keys: Sequence[str], found: Survey) -> None:
    inputs = input_folders(keys)
    rest = [key for key in keys if key.rpartition("/")[0] not in inputs]
    found.inputs += inputs.values()
    sheets = look_into(place, rest, found.problems)
    found.labels += [sheet for sheet in sheets if sheet.labels]
    known = {component for one in inputs.values() for component in one.components}
    found.training += training_sets(sheets, found.problems, known)


def _old_results(place: Place, key: str, found: Survey) -> None:
    try:
        rows = read_rows(place.read(key))
    except NoResults as error:
        if place.files and str(error) == "it has no rows":
            return  # A window without any reading.
        found.problems.append(f"{key}: {error}")
        return
    except BucketError as error:
        found.problems.append(f"{key}: cannot be read: {error}")
        return
    parent, _, name = key.rpartition("/")
    folder = parent.rpartition("/")[0] if name == RESULTS else parent
    run = found.runs.setdefault(folder, OldRun(folder))
    run.files.append(key)
    run.rows += rows


def _told(place: Place, key: str, found: Survey) -> None:
    """Read what people and tools wrote about the old service."""
    try:
        text = place.read(key, TEXT_BYTES_MAX).decode("utf-8-sig")
    except BucketError as error:
        found.problems.append(f"{key}: cannot be read: {error}")
        return
    except UnicodeDecodeError as error:
        found.problems.append(f"{key}: it is no UTF-8 text: {error.reason} at byte {error.start}")
        return
    name = key.lower()
    try:
        if name.endswith((".py", ".ipynb")):
            found.facts += read_script(key, text)
            return
        template = read_template(key, text) if "AWS::" in text else None
        if template is not None:
            found.facts += template
        elif name.endswith((".json", ".txt")):
            found.facts += read_answers(key, text)
        else:
            found.n_other += 1
    except (NoScript, NoTemplate) as error:
        found.problems.append(f"{key}: {error}")
    except NoAnswer as error:
        if name.endswith(".json"):
            found.problems.append(f"{key}: {error}")
        else:
            found.n_other += 1
