"""Pages are ready before somebody asks for one."""

from openlookout.console.rendering import ENVIRONMENT, prepare


def test_no_page_waits_for_a_template_once_they_are_prepared() -> None:
    assert ENVIRONMENT.cache is not None
    ENVIRONMENT.cache.clear()
    prepare()
    compiled = {name for _, name in ENVIRONMENT.cache}
    assert compiled == {name for name in ENVIRONMENT.list_templates() if name.endswith(".html")}
