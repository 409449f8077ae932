"""The tutorials are true: their blocks run in order, and print what stands below them."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from serving import serving

DOCS = Path(__file__).parents[1] / "docs"
TUTORIAL, QUICKSTART = DOCS / "tutorial.md", DOCS / "quickstart.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("tutorial", "n_shown"), [(TUTORIAL, 6), (DOCS / "tutorial-takeover.md", 4)])
def test_every_block_of_a_tutorial_runs_and_prints_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tutorial: Path, n_shown: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    names: dict[str, object] = {"__name__": "tutorial"}
    said, n_compared = "", 0
    try:
        for language, text in BLOCK.findall(tutorial.read_text()):
            if language == "python":
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed):
                    exec(compile(text, tutorial.name, "exec"), names)
                said = printed.getvalue()
            elif language == "sh":
                subprocess.run(["sh", "-e", "-c", text], check=True, timeout=200)
            else:
                assert (language, text) == ("text", said)
                n_compared += 1
    finally:
        if "client" in names:
            names["client"].close()  # type: ignore[attr-defined]  # A client of `openlookout.local`.
    assert n_compared == n_shown


def test_the_python_of_the_quick_start_trains_a_model_on_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the data of the tutorial's first blocks, which have its layout."""
    (program,) = [text for language, text in BLOCK.findall(QUICKSTART.read_text()) if language == "python"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # What it holds was read from another environment.
    written: dict[str, object] = {}
    for _, text in [block for block in BLOCK.findall(TUTORIAL.read_text()) if block[0] == "python"][:2]:
        exec(compile(text, "tutorial.md", "exec"), written)
    with serving(tmp_path / "plant") as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LOOKOUTEQUIPMENT", f"http://127.0.0.1:{service.port}")
        for name, value in (("ACCESS_KEY_ID", "any"), ("SECRET_ACCESS_KEY", "any"), ("DEFAULT_REGION", "us-east-1")):
            monkeypatch.setenv(f"AWS_{name}", value)
        exec(compile(program, "quickstart.md", "exec"), {"__name__": "quickstart"})
    assert capsys.readouterr().out.splitlines()[-1] == "pump 1 SUCCESS"
