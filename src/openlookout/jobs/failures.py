"""How a step fails: for now, by a loss, or for good. Everything else that leaves a step is a defect."""


class Temporary(Exception):
    """The world does not answer just now (bucket, database); the step is tried again until patience ends."""


class Lost(Temporary):
    """What did the work is gone (a child was killed): tried again a few times, for the work itself may be the cause."""


class Final(Exception):
    """The work cannot be done; the message is a sentence for the customer."""
