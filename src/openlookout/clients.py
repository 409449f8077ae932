"""Ready boto3 clients: botocore's own, with our definition of the API.

So they work whatever botocore still knows of the service, and have paginators and waiters. Knows nothing of the service
itself.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import botocore.session
from botocore.loaders import Loader

from openlookout.api import client_model
from openlookout.api.definition import definition

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_LOOKOUTEQUIPMENT"
ENDPOINT_DEFAULT = "http://127.0.0.1:8580"
REGION_DEFAULT = "us-east-1"
# Asked over the network, where no answer comes outside of AWS.
REMOTE_CREDENTIALS = ("container-role", "iam-role")

Client = Any  # boto3's clients are made at run time.


class OurLoader(Loader):
    """botocore's loader, with our definition of the one service before its own."""

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        ours: dict[str, Callable[[], Any]] = {
            "service-2": client_model.service_model,
            "paginators-1": client_model.paginators,
            "waiters-2": client_model.waiters,
        }
        if service_name == client_model.SERVICE and type_name in ours:
            return ours[type_name]()
        return super().load_service_model(service_name, type_name, api_version)

    def determine_latest_version(self, service_name: str, type_name: str) -> str:
        if service_name == client_model.SERVICE:
            return str(definition()["metadata"]["apiVersion"])
        return str(super().determine_latest_version(service_name, type_name))

    def list_available_services(self, type_name: str) -> list[str]:
        return sorted({*super().list_available_services(type_name), client_model.SERVICE})


def client(endpoint: str | None = None, **options: Any) -> Client:
    """Give a boto3 client of a service that is reached at an endpoint.

    Without an endpoint: AWS_ENDPOINT_URL_LOOKOUTEQUIPMENT, or where `openlookout serve` listens by default. `options`
    are those of `boto3.client`; region and credentials are found as boto3 finds them, and need not be there for a
    service that runs without access keys.
    """
    return make_client(endpoint or os.environ.get(ENDPOINT_VARIABLE) or ENDPOINT_DEFAULT, options)


def make_client(endpoint: str, options: Mapping[str, Any], extend: Callable[..., None] | None = None) -> Client:
    """Give a client; `extend` is called with what botocore's event `creating-client-class` brings."""
    session: Any = botocore.session.Session()  # Typed for every service that botocore knows, and not for ours.
    session.register_component("data_loader", OurLoader(session.get_config_variable("data_path")))
    if extend is not None:
        session.register(f"creating-client-class.{client_model.SERVICE}", extend)
    resolver = session.get_component("credential_provider")
    for remote in REMOTE_CREDENTIALS:
        resolver.remove(remote)
    given: dict[str, Any] = {"region_name": session.get_config_variable("region") or REGION_DEFAULT, **options}
    if "aws_access_key_id" not in given and session.get_credentials() is None:
        given |= {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    maker: Any = boto3.Session(botocore_session=session)
    return maker.client(client_model.SERVICE, endpoint_url=endpoint, **given)
