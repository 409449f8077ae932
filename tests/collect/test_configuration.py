"""The file of a collection: the one of the docs is read, and what cannot be is refused with its place."""

from pathlib import Path

import pytest

from openlookout.collect.configuration import read_configuration
from openlookout.collect.errors import CollectError

DOCS = Path(__file__).parents[2] / "docs" / "collect.md"


def test_the_file_of_the_docs_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_PASSWORD", "s3cret")
    file = tmp_path / "collect.yaml"
    file.write_text(DOCS.read_text().split("```yaml\n")[1].split("```")[0])
    read = read_configuration(file)
    assert (read.scheduler, read.spool) == ("pump", tmp_path / "collect.spool")
    assert [source.kind for source in read.sources] == ["mqtt", "opcua", "folder"]
    assert read.sources[0].members["password"] == "s3cret"
    assert [topic.format for topic in read.sources[0].topics] == ["json", "sparkplug"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("scheduler: [", "c.yaml is no YAML: line 1"),
        ("sources: []", "c.yaml: 'scheduler' is missing"),
        ("scheduler: p\nsources: []", "c.yaml, sources: a list of one at least"),
        ("scheduler: p\nsources: [kafka: {}]", "c.yaml, source 1: one of mqtt, opcua, folder, with its members below"),
        ("scheduler: p\nsources: [folder: {pth: x}]", "source 1 (folder): there is no 'pth'; there are path"),
        (
            "scheduler: p\nsources: [opcua: {url: 'http://x', values: {a: 'b\\c'}}]",
            "source 1 (opcua): url begins with opc.tcp://, not 'http://x'",
        ),
        (
            "scheduler: p\nsources: [opcua: {url: 'opc.tcp://x', values: {a: flow}}]",
            "source 1 (opcua), values, 'a': 'flow' is no component\\sensor",
        ),
        (
            "scheduler: p\nsources: [mqtt: {host: h, client_id: c, version: 4, topics: []}]",
            "source 1 (mqtt): version is 3 (for 3.1.1) or 5, not 4",
        ),
        (
            "scheduler: p\nsources: [mqtt: {host: h, client_id: c, password: 'env:NO_SUCH', topics: [{topic: t, format: json, values: {a: 'p\\f'}}]}]",
            "source 1 (mqtt): the environment variable NO_SUCH of the password is not set",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(CollectError) as refused:
        read_configuration(file)
    assert sentence in str(refused.value)
