"""Answers that differ from what model, document or notebook say, each with its reason. A name that no longer does fails.

A name is that of a judged case, without the way in which it was sent.
"""

KNOWN = {
    "ListModelVersions.modelName:required:beyond": (
        "The definition requires ModelName; the API reference says that without one the list is empty, "
        "and the reference is followed."
    ),
}
