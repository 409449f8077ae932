"""What can go wrong with objects, each a sentence that names bucket and key. Knows no back end."""


class BucketError(Exception):
    """The root of them all."""


class BucketNotFoundError(BucketError):
    """There is no such bucket."""


class ObjectNotFoundError(BucketError):
    """The bucket has no such object."""


class ObjectTooLargeError(BucketError):
    """The object is larger than the reader is ready to hold in memory."""


class AccessRefusedError(BucketError):
    """The credentials or the file permissions do not allow it."""


class KeyRefusedError(BucketError):
    """The key or bucket name points where no object can be."""


class BucketUnavailableError(BucketError):
    """The bucket does not answer just now; trying again may help."""
