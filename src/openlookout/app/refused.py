"""Why a process does not start."""


class StartRefused(Exception):
    """The service cannot start as it is set up; the message is a sentence for the person who starts it."""
