"""Run the tests of the previous release's code on the tables of this one, after its `pre` revisions.

`python scripts/previous_release.py [REF] [TESTS …]`: REF is the latest tag unless given; while there is none, the last
commit whose tables were other ones. Its code and its tests are taken from git, its tables from here.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
REVISIONS = "src/openlookout/store/migrations/versions"
TESTS = ("tests/operations", "tests/jobs", "tests/wire/test_every_operation.py")
PLUGIN = """
import os, subprocess, sys
from openlookout.store.database import Database


def migrate(self, *_arguments, **_named):
    url = self.url.render_as_string(hide_password=False).replace("postgresql+psycopg", "postgresql")
    environment = {{**os.environ, "PYTHONPATH": {source!r}, "OPENLOOKOUT_DATABASE": url, "OPENLOOKOUT_DATA": {data!r}}}
    command = [sys.executable, "-m", "openlookout.cli", "migrate", "--phase", "pre"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, cwd={data!r})
    return []


Database.migrate = migrate
"""


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def previous() -> str:
    """The latest tag; none being there, the commit before the last change of the tables."""
    tags = git("tag", "--merged", "HEAD~1", "--sort=-creatordate").splitlines()
    return tags[0] if tags else git("log", "-1", "--format=%H", "--first-parent", "--", REVISIONS) + "~1"


def main() -> int:
    ref = sys.argv[1] if len(sys.argv) > 1 else previous()
    with tempfile.TemporaryDirectory(prefix="previous-") as folder:
        old, data, plugin = (Path(folder) / name for name in ("old", "data", "plugin"))
        git("worktree", "add", "--quiet", "--detach", str(old), ref)
        try:
            data.mkdir()
            plugin.mkdir()
            (plugin / "tables_of_now.py").write_text(PLUGIN.format(source=str(ROOT / "src"), data=str(data)))
            print(f"code and tests of {git('log', '-1', '--format=%h %s', ref)}")
            path = os.pathsep.join(map(str, (old / "src", old / "tests", plugin)))
            tests = sys.argv[2:] or [test for test in TESTS if (old / test).exists()]
            command = [sys.executable, "-m", "pytest", "-p", "tables_of_now", "-n", "0", "-q", *tests]
            return subprocess.run(command, cwd=old, env={**os.environ, "PYTHONPATH": path}, check=False).returncode
        finally:
            git("worktree", "remove", "--force", str(old))


if __name__ == "__main__":
    sys.exit(main())
