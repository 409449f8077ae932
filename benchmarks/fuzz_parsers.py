"""Coverage-guided fuzzing of whatever reads bytes or texts of strangers: any input is read, or refused in a sentence.

    pip install atheris
    python benchmarks/fuzz_parsers.py TARGET [-max_total_time=60] [-runs=100000] [-seed=1] [CORPUS…]

TARGET: request, csv, off-condition, policy, model-file or archive. The flags are libFuzzer's; an input that ends a
target with anything but its own refusal, or takes over ten seconds or two GiB, is written to a file and named.
"""

import contextlib
import gzip
import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("fuzz_parsers.py needs atheris: pip install atheris (Linux and macOS only)")

with atheris.instrument_imports(include=["openlookout"], enable_loader_override=False):
    from openlookout.api.definition import definition
    from openlookout.api.service_error import ServiceError
    from openlookout.archive import file as archive_file
    from openlookout.detection import model_file
    from openlookout.operations import policy_document
    from openlookout.timeseries import csv, off_condition, schema, sensor_file
    from openlookout.wire import protocol, validation

SECONDS_MAX, MEGABYTES_MAX = 10, 2048
SCHEMA = schema.parse_schema(
    json.dumps(
        {
            "Components": [
                {
                    "ComponentName": "pump",
                    "Columns": [{"Name": "t", "Type": "DATETIME"}, {"Name": "x", "Type": "DOUBLE"}],
                }
            ]
        }
    )
)
VALIDATORS = list(validation.compile_validators(definition()).values())


def request(data: bytes) -> None:
    """A body for any operation: parsed, validated; the refusal is serialised."""
    validate = VALIDATORS[data[0] % len(VALIDATORS)] if data else VALIDATORS[0]
    try:
        validate(protocol.parse(data[1:]))
    except ServiceError as error:
        json.loads(protocol.error_body(error))


def csv_file(data: bytes) -> None:
    """A sensor file, plain or gzip as it begins; an even first byte packs it, so that mutations reach behind gzip."""
    content = gzip.compress(data[1:], 1) if data[:1] and data[0] % 2 == 0 else data[1:]
    with contextlib.suppress(sensor_file.BadHeader, sensor_file.NotIngestible):
        for chunk in csv.CsvFile("a.csv", io.BytesIO(content)).chunks():
            assert chunk.readings.height <= data.count(b"\n") + data.count(b"\r") + 1


def off(data: bytes) -> None:
    with contextlib.suppress(off_condition.OffConditionError):
        off_condition.parse_off_condition(data.decode("utf-8", "replace"), SCHEMA)


def policy(data: bytes) -> None:
    with contextlib.suppress(policy_document.PolicyError):
        policy_document.parse_policy(data.decode("utf-8", "replace"), "arn:aws:lookoutequipment:r:1:dataset/a/b")


def model(data: bytes) -> None:
    """A model file as it is, and one whose description is the data: mutations do not get through a zip's checksums."""
    with contextlib.suppress(model_file.ModelFileError):
        model_file.load(data)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d,), }" % len(data)
        head = head.ljust(117) + b"\n"
        file.writestr("description.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + data)
        file.writestr("odd.npy", data)
    with contextlib.suppress(model_file.ModelFileError):
        model_file.load(out.getvalue())


def archive(data: bytes) -> None:
    path = Path(f"/tmp/openlookout-fuzz-{sys.argv[1]}.zip")
    path.write_bytes(data)
    with contextlib.suppress(archive_file.ArchiveError):
        archive_file.read_archive(path)


POLICY = (
    b'{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, '
    b'"Action": "lookoutequipment:ImportDataset", "Resource": "*", '
    b'"Condition": {"Bool": {"lookoutequipment:IsImportingData": "true"}}}]}'
)
EMPTY_ZIP = b"PK\x05\x06" + b"\0" * 18
MODEL = b'{"format": "openlookout-model", "version": 3, "scaling": {"kind": "Scaling"}, "views": []}'
# A target, and inputs to begin with.
TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "request": (request, [b"\x00{}", b'\x01{"DatasetName": "a", "ClientToken": "b"}', b'\x05{"MaxResults": 1}']),
    "csv": (csv_file, [b"\x01t,a\n2026-01-01 00:00:00,1\n", b'\x00t,"a"\r\n2026-01-01T00:00:00Z,"1,5"\r\n']),
    "off-condition": (off, [b"pump\\x < 1.5", b"pump\\x>-1e9"]),
    "policy": (policy, [POLICY]),
    "model-file": (model, [MODEL, EMPTY_ZIP]),
    "archive": (archive, [EMPTY_ZIP]),
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"which of {', '.join(TARGETS)}?")
    target, seeds = TARGETS[sys.argv[1]]
    corpus = Path(f"/tmp/openlookout-corpus-{sys.argv[1]}")
    corpus.mkdir(exist_ok=True)
    for number, content in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(content)
    bounds = [f"-timeout={SECONDS_MAX}", f"-rss_limit_mb={MEGABYTES_MAX}", "-max_len=65536"]
    atheris.Setup([sys.argv[0], *bounds, *sys.argv[2:], str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
