"""A scheduler's page in a browser: what it says now, why an execution failed, and how it is changed."""

from console.conftest import Eyes
from console.keyboard import Hands
from console.plant import PlantProcess
from openlookout.console.pages.live import remedy
from openlookout.timeseries.inference_input import InputNames, Window, missing_sentence
from serving import wait


def test_results_events_and_the_spread_of_readings_are_shown(eyes: Eyes) -> None:
    page = eyes.look("/live/reactor-live")
    assert "anomalous" in page.get_by_role("region", name="Now", exact=True).inner_text()
    for chart in ("#live-scores", "#spread-chart"):
        assert page.locator(chart).get_attribute("data-drawn") == "yes"
        assert page.locator(f"{chart} .chart-state").inner_text() == ""
    page.locator("table.events tbody th a").first.click()
    assert page.locator("table.leading tbody tr").count() >= 1


def test_a_failed_execution_says_what_to_do() -> None:
    window = Window(3_600_000_000, 7_200_000_000, 3_600_000_000)
    assert "under the input prefix" in (remedy(missing_sentence("pump", InputNames("live/"), window, "plant")) or "")
    assert remedy("Something else.") == "Correct what is named; the next execution reads its files anew."
    assert remedy(None) is None


def test_a_live_event_shows_its_leading_sensors_beside_what_was_expected(eyes: Eyes) -> None:
    page = eyes.look("/live/reactor-live")
    with page.expect_response(lambda answer: "/course" in answer.url) as asked:
        page.locator("table.events tbody th a").last.click()
    figure = asked.value.json()
    eyes.settle(page)
    band, expected, measured = figure["traces"]
    assert (band["kind"], expected["name"], measured["name"]) == ("band", "expected", "measured")
    event = figure["ranges"][0]
    inside = [y for x, y in zip(measured["x"], measured["y"], strict=True) if event["start"] <= x <= event["end"]]
    assert inside
    n = len(expected["x"])
    outside = [
        not low <= y <= high
        for x, y in zip(measured["x"], measured["y"], strict=True)
        for low, high in [(band["y"][2 * n - 1 - k], band["y"][k]) for k in range(n) if expected["x"][k] == x]
        if event["start"] <= x <= event["end"]
    ]
    assert any(outside)
    assert page.get_by_text("Order of onset").count() == 1


def test_a_scheduler_is_stopped_and_started_with_the_keys_alone(eyes: Eyes, plant: PlantProcess) -> None:
    page = eyes.look("/live/air-handler-live")
    hands = Hands(page)
    hands.open(page.get_by_role("button", name="Stop", exact=True))
    page.get_by_text("It is stopping").wait_for()
    name = {"InferenceSchedulerName": "air-handler-live"}
    wait(lambda: plant.client.describe_inference_scheduler(**name))
    page.reload()
    hands.open(page.get_by_role("button", name="Start", exact=True))
    page.get_by_text("It is running").wait_for()
