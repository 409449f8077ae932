"""`openlookout export` and `openlookout import`: model versions as files. Parses arguments and calls."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openlookout.cli_common import Account, Data, Region, refuse

if TYPE_CHECKING:
    from openlookout.archive.transfer import Place


def export_version(
    model: Annotated[str, typer.Argument(help="The model.")],
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    version: Annotated[int | None, typer.Option(min=1, help="The version. [default: the active one]")] = None,
    data: Data = None,
    account: Account = None,
    region: Region = None,
) -> None:
    """Write a model version to a file that can be read without OpenLookout."""
    from openlookout.archive.transfer import export_version as export

    def work(place: "Place") -> None:
        number, digest = export(place, model, version, file)
        typer.echo(f"Exported version {number} of {model} to {file}")
        typer.echo(f"Digest {digest}")

    _with_archive({"data": data, "account": account, "region": region}, work)


def import_version(
    file: Annotated[Path, typer.Argument(help="The file that 'openlookout export' wrote.")],
    model: Annotated[str | None, typer.Option(help="The model to add it to. [default: as it was called]")] = None,
    dataset: Annotated[str | None, typer.Option(help="Its dataset. [default: as it was called]")] = None,
    digest: Annotated[str | None, typer.Option(help="The digest that the export told; others are refused.")] = None,
    data: Data = None,
    account: Account = None,
    region: Region = None,
) -> None:
    """Make an exported file a model version: version 1 of a new model, or the next of one that is there."""
    from openlookout.archive.transfer import import_version as import_file

    def work(place: "Place") -> None:
        made = import_file(place, file, digest=digest, model_name=model, dataset_name=dataset)
        active = "active" if made.is_active else "not active"
        typer.echo(f"Imported {file} as version {made.version} of {made.model}, dataset {made.dataset}, {active}")

    _with_archive({"data": data, "account": account, "region": region}, work)


def _with_archive(flags: dict[str, object], work: "Callable[[Place], None]") -> None:
    from openlookout.app.foundation import opened
    from openlookout.archive.file import ArchiveError
    from openlookout.archive.transfer import Place
    from openlookout.buckets.errors import BucketError
    from openlookout.settings import read_settings

    try:
        settings = read_settings(flags)
        with opened(settings) as foundation:
            work(Place(foundation.ports(), foundation.buckets, settings.account, settings.region))
    except (ArchiveError, BucketError, OSError, ValueError) as error:
        refuse(error)
