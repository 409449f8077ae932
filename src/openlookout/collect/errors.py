"""What can go wrong with a collection that a person has to look at."""


class CollectError(Exception):
    """The configuration or what it names cannot be; the message is a sentence with the file or the address."""


class SpoolUnavailable(Exception):
    """The spool cannot be written just now (the disk is full): nothing of what was to be kept is. Tried again."""
