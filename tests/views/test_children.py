"""A child that draws a picture begins soon: it loads what reads and reduces, neither the engine nor the database."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["evaluations", "live", "readings"])
def test_a_child_loads_no_engine_and_no_database(module: str) -> None:
    loaded = f"import openlookout.jobs.child_process, openlookout.views.called, openlookout.views.{module}, sys"
    asked = f"{loaded}; print(sorted({{'dbos', 'sqlalchemy', 'starlette'}} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
