"""The errors of the API, and those of its protocol.

Generated from definition.json by scripts/generate_api.py: change that, not this.
"""

from openlookout.api.service_error import ServiceError


class AccessDeniedException(ServiceError):
    """The caller may not do this."""

    code = "AccessDeniedException"
    http_status = 400


class ConflictException(ServiceError):
    """The resource is in a state that does not allow this, or the name is taken."""

    code = "ConflictException"
    http_status = 400


class ForbiddenException(ServiceError):
    """The request was sent to a host name, or from a page, that is not the service's own."""

    code = "ForbiddenException"
    http_status = 403


class IncompleteSignatureException(ServiceError):
    """The Authorization header lacks a part or cannot be read."""

    code = "IncompleteSignatureException"
    http_status = 400


class InternalServerException(ServiceError):
    """The service failed; the cause is in its log under the request id."""

    code = "InternalServerException"
    http_status = 500


class InvalidSignatureException(ServiceError):
    """The signature does not match the request, or has expired."""

    code = "InvalidSignatureException"
    http_status = 403


class MissingAuthenticationTokenException(ServiceError):
    """The request is not signed, and it must be."""

    code = "MissingAuthenticationTokenException"
    http_status = 403


class RequestEntityTooLargeException(ServiceError):
    """The body is longer than the service reads."""

    code = "RequestEntityTooLargeException"
    http_status = 413


class ResourceNotFoundException(ServiceError):
    """The resource does not exist."""

    code = "ResourceNotFoundException"
    http_status = 400


class SerializationException(ServiceError):
    """The body is not JSON, or a member has another JSON type than it must."""

    code = "SerializationException"
    http_status = 400


class ServiceQuotaExceededException(ServiceError):
    """A quota would be exceeded; the message names it and its value."""

    code = "ServiceQuotaExceededException"
    http_status = 400


class ThrottlingException(ServiceError):
    """Too many requests at once; try again."""

    code = "ThrottlingException"
    http_status = 400


class UnknownOperationException(ServiceError):
    """The target names no operation of this service."""

    code = "UnknownOperationException"
    http_status = 404


class UnrecognizedClientException(ServiceError):
    """The access key is not known."""

    code = "UnrecognizedClientException"
    http_status = 403


class ValidationException(ServiceError):
    """A member of the request breaks a constraint; the message names member and constraint."""

    code = "ValidationException"
    http_status = 400
