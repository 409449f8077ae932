"""Label groups and their labels: what is known of past faults, for trainings to learn from."""

from starlette.responses import Response

from openlookout.api.errors import ValidationException
from openlookout.console import charts
from openlookout.console.rendering import path, plural
from openlookout.console.training_plan import drawn_labels
from openlookout.console.visit import Visit, page

RATINGS = (("ANOMALY", "a fault"), ("NO_ANOMALY", "normal"), ("NEUTRAL", "neither, leave it out"))


@page("/labels")
def groups(visit: Visit) -> Response:
    """All label groups."""
    return visit.render("labels.html", groups=list(visit.listed("ListLabelGroups")))


@page("/new/label-group", ("GET", "POST"))
def create_group(visit: Visit) -> Response:
    """A new group with its fault codes."""
    if visit.is_post:
        name = visit.form.get("name", "").strip()
        with visit.attempt():
            codes = _codes(visit.form.get("codes", "")) or None
            visit.call("CreateLabelGroup", LabelGroupName=name, FaultCodes=codes, ClientToken=visit.client_token)
            return visit.go(path("labels", name), f"The label group {name} is made. Now add labels.")
    return visit.render("label_group_create.html")


@page("/labels/{group}", ("GET", "POST"))
def group(visit: Visit, group: str) -> Response:
    """The labels of a group, and the form that adds more."""
    found = visit.call("DescribeLabelGroup", LabelGroupName=group)
    if visit.is_post:
        with visit.attempt():
            return visit.go(path("labels", group), f"{plural(_add(visit, group), 'label')} added.")
    start, end = charts.span(visit.query)
    code, equipment = visit.query.get("code") or None, visit.query.get("equipment") or None
    labels = list(
        visit.listed(
            "ListLabels",
            LabelGroupName=group,
            IntervalStartTime=start,
            IntervalEndTime=end,
            FaultCode=code,
            Equipment=equipment,
        )
    )
    newest_first = sorted(labels, key=lambda one: str(one["StartTime"]), reverse=True)
    return visit.render("label_group.html", group=found, labels=newest_first, ratings=RATINGS)


@page("/labels/{group}/codes", ("POST",))
def change_codes(visit: Visit, group: str) -> Response:
    """The fault codes of a group; labels keep those that they have."""
    codes = _codes(visit.form.get("codes", ""))
    return visit.act(
        "UpdateLabelGroup",
        path("labels", group),
        "The fault codes are changed.",
        LabelGroupName=group,
        FaultCodes=codes,
    )


@page("/labels/{group}/delete", ("POST",))
def delete(visit: Visit, group: str) -> Response:
    """Delete a label, or the whole group where none is named."""
    label = visit.form.get("label")
    if label:
        back = path("labels", group)
        return visit.act("DeleteLabel", back, "The label is deleted.", LabelGroupName=group, LabelId=label)
    visit.call("DeleteLabelGroup", LabelGroupName=group)
    return visit.go("/labels", f"The label group {group} is deleted.")


def _add(visit: Visit, group: str) -> int:
    """Make a label of each line; sent once more, they are what was made before."""
    labels = drawn_labels(visit.form.get("lines", ""))
    if not labels:
        raise ValidationException("There is no label line: write start and end, separated by a comma.")
    for number, one in enumerate(labels):
        visit.call(
            "CreateLabel",
            LabelGroupName=group,
            StartTime=one.start,
            EndTime=one.end,
            Rating=visit.form.get("rating", "ANOMALY"),
            FaultCode=one.fault_code,
            Notes=one.notes,
            Equipment=visit.form.get("equipment", "").strip() or None,
            ClientToken=f"{visit.client_token}-{number}",
        )
    return len(labels)


def _codes(text: str) -> list[str]:
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
