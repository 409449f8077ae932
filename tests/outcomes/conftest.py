"""The plant of the alerts' tests: a model with a scheduler, on both databases."""

from alerts.conftest import database, plant, postgresql, receiver

__all__ = ["database", "plant", "postgresql", "receiver"]
