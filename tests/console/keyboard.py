"""Hands on a keyboard and nothing else: Tab leads to what is wanted, and every step there shows where one is."""

from typing import Any

from playwright.sync_api import Locator, Page

TABS_MAX = 400
# What Tab must reach, in the order of the document: of radio buttons the chosen one, in what is closed nothing.
REACHABLE = """() => [...document.querySelectorAll(
    "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]")].filter((one) => {
  if (one.disabled || one.tabIndex < 0 || !one.checkVisibility()) return false;
  if (one.type !== "radio") return true;
  const group = [...document.querySelectorAll(`input[type=radio][name="${one.name}"]`)].filter((other) => other.form === one.form);
  return one.checked || (one === group[0] && !group.some((other) => other.checked));
})"""
# Elements in the order in which they got the focus, and how each looked then.
LISTEN = """() => {
  window.walked = [];
  document.addEventListener("focusin", (event) => {
    const marked = event.target.closest(".chip") || event.target, look = getComputedStyle(marked);
    window.walked.push([event.target, look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2]);
  });
}"""
COMPARE = f"""() => {{
  const said = (one) => one ? one.outerHTML.slice(0, 120) : "nothing";
  const wanted = ({REACHABLE})(), got = window.walked.slice(0, wanted.length);
  const astray = wanted.findIndex((one, i) => !got[i] || got[i][0] !== one);
  const found = got.filter(([, isMarked]) => !isMarked).map(([one]) => `not seen to have the focus: ${{said(one)}}`);
  if (astray >= 0) found.push(`${{said(wanted[astray])}} is next, and Tab led to ${{said(got[astray] && got[astray][0])}}`);
  for (const one of document.querySelectorAll("body *")) {{
    const look = getComputedStyle(one);
    if (one.tabIndex > 0 || look.order !== "0" || look.flexDirection.endsWith("reverse")) found.push(`stands elsewhere than it is read: ${{said(one)}}`);
  }}
  return found;
}}"""
FOCUSED = "(one) => one === document.activeElement"


def astray(page: Page) -> list[str]:
    """Walk with Tab through a page that was just opened; give what is not reached in its order, or not seen to be."""
    page.evaluate(LISTEN)
    n_wanted = page.evaluate(f"({REACHABLE})().length")
    for _ in range(TABS_MAX):
        page.keyboard.press("Tab")
        if page.evaluate("walked.length") >= n_wanted:  # A field for times is several steps.
            break
    found: list[str] = page.evaluate(COMPARE)
    return found


class Hands:
    """What a person does who has no mouse."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def to(self, wanted: Locator) -> None:
        """Press Tab until it has the focus."""
        found = wanted.element_handle()
        for _ in range(TABS_MAX):
            if found.evaluate(FOCUSED):
                return
            self._page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not lead to {wanted}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self._page.keyboard.press(key)

    def open(self, wanted: Locator) -> None:
        """Go there and press Enter."""
        self.to(wanted)
        self.press("Enter")

    def fill(self, wanted: Locator, text: str) -> None:
        """Go there and write instead of what is there."""
        self.to(wanted)
        self.press("ControlOrMeta+a")
        self._page.keyboard.type(text)

    def time(self, wanted: Locator, digits: str, then: str) -> None:
        """Go to a field for times and type day, month and year, then hour, minute and second."""
        self.to(wanted)
        self._page.keyboard.type(digits)
        self.press("ArrowRight")
        self._page.keyboard.type(then)

    @property
    def at(self) -> Any:
        """The text of what has the focus."""
        return self._page.evaluate("document.activeElement.textContent.trim()")
