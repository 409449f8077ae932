"""Labels, tags, policies, keys, audit log, settings and metrics in a browser and over sockets."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from console.conftest import Eyes
from console.plant import PlantProcess
from console.test_security import Served, console, token
from openlookout.store import keys as key_store


def test_labels_are_added_by_hand_and_from_a_file_found_and_deleted(eyes: Eyes, plant: PlantProcess) -> None:
    page = eyes.look("/labels", dark=True)
    page.get_by_role("link", name="New label group").click()
    page.get_by_label("Name").fill("typed")
    page.get_by_label("Fault codes").fill("bearing\nseal")
    page.get_by_role("button", name="Make the group").click()
    page.get_by_label("A line each").fill("2026-03-01 09:00, 2026-03-01 10:00, bearing, replaced")
    page.get_by_label("Equipment").last.fill("pump 7")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("status").first).to_have_text("1 label added.")
    content = b"2026-03-02T00:00:00,2026-03-02T06:00:00,seal\n2026-03-03T00:00:00,2026-03-03T06:00:00\n"
    page.get_by_label("or from a file").set_input_files({"name": "l.csv", "mimeType": "text/csv", "buffer": content})
    expect(page.get_by_label("A line each")).to_have_value(re.compile("2026-03-02T00:00:00"))
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("status").first).to_have_text("2 labels added.")
    found = plant.client.list_labels(LabelGroupName="typed")["LabelSummaries"]
    assert [one.get("FaultCode") for one in found] == ["bearing", "seal", None]
    assert [one.get("Equipment") for one in found] == ["pump 7", None, None]
    page.get_by_label("Fault code", exact=True).select_option("seal")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status").first).to_have_text("The label is deleted.")
    assert len(plant.client.list_labels(LabelGroupName="typed")["LabelSummaries"]) == 2
    page.get_by_text("Delete the group").first.click()
    page.locator(".pop").get_by_role("button", name="Delete the group").click()
    expect(page.get_by_role("status").first).to_have_text("The label group typed is deleted.")


def test_tags_are_set_and_removed(eyes: Eyes, plant: PlantProcess) -> None:
    page = eyes.look("/tags", phone=True)
    page.get_by_role("link", name="air-handler", exact=True).first.click()
    page.get_by_label("Key").fill("line")
    page.get_by_label("Value").fill("4")
    page.get_by_role("button", name="Set").click()
    arn = plant.client.describe_dataset(DatasetName="air-handler")["DatasetArn"]
    assert plant.client.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "line", "Value": "4"}]
    page.get_by_role("button", name="Remove").click()
    assert plant.client.list_tags_for_resource(ResourceArn=arn)["Tags"] == []


def test_a_policy_is_set_refused_when_wrong_and_deleted(eyes: Eyes, plant: PlantProcess) -> None:
    page = eyes.look("/policies")
    page.get_by_role("link", name="reactor", exact=True).first.click()
    text = page.get_by_label("Policy, JSON")
    example = json.loads(text.input_value())
    text.fill("{")
    with eyes.forgiving("400 (Bad Request)"):
        page.get_by_role("button", name="Set the policy").click()
        expect(page.get_by_role("alert")).to_be_visible()
    text.fill(json.dumps(example))
    page.get_by_role("button", name="Set the policy").click()
    arn = plant.client.describe_dataset(DatasetName="reactor")["DatasetArn"]
    assert json.loads(plant.client.describe_resource_policy(ResourceArn=arn)["ResourcePolicy"]) == example
    page.get_by_role("button", name="Delete the policy").click()
    expect(page.get_by_role("status").first).to_contain_text("The policy is deleted")


def test_the_audit_log_shows_what_was_just_done(eyes: Eyes, plant: PlantProcess) -> None:
    plant.client.create_label_group(LabelGroupName="audited")
    arn = plant.client.describe_label_group(LabelGroupName="audited")["LabelGroupArn"]
    plant.client.delete_label_group(LabelGroupName="audited")
    page = eyes.look("/settings/audit")
    assert page.locator("tbody tr td:nth-child(3) strong").first.inner_text() == "DeleteLabelGroup"
    page.get_by_label("ARN of a resource").fill(arn)
    page.get_by_role("button", name="Show").click()
    said = page.locator("tbody tr td:nth-child(3) strong").all_inner_texts()
    assert said == ["DeleteLabelGroup", "CreateLabelGroup"]


def test_settings_show_limits_and_metrics_their_figures(eyes: Eyes) -> None:
    page = eyes.look("/settings", phone=True, dark=True)
    assert "OPENLOOKOUT_LIMIT_MODELS" in page.inner_text("main")
    assert "10,000" in page.inner_text("main")
    page.get_by_role("link", name="Metrics").click()
    assert "openlookout_requests_total" in page.inner_text("main")


def test_another_region_shows_other_resources(eyes: Eyes) -> None:
    page = eyes.look("/settings")
    page.get_by_label("Region").fill("eu-west-1")
    page.get_by_role("button", name="Look at it").click()
    page.goto("/")
    assert "No equipment is watched yet" in page.inner_text("main")
    page.goto("/settings")
    page.get_by_label("Region").fill("no region!")
    with eyes.forgiving("400 (Bad Request)"):
        page.get_by_role("button", name="Look at it").click()
        assert "not 'no region!'" in page.get_by_role("alert").inner_text()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with console(tmp_path_factory.mktemp("keys"), with_keys=True) as served:
        yield served


def test_somebody_signs_in_makes_a_key_and_signs_out(browser: Browser, locked: Served) -> None:
    eyes = Eyes(browser, f"http://127.0.0.1:{locked.port}")
    assert locked.full
    page = eyes.look("/settings/keys")
    assert "/sign-in?to=/settings/keys" in page.url
    page.get_by_label("Access key id").fill(locked.full.id)
    page.get_by_label("Secret access key").fill(locked.full.secret)
    page.get_by_role("button", name="Sign in").click()
    assert page.url.endswith("/settings/keys")
    page.get_by_label("What it is for").fill("the control room")
    page.get_by_label("It may").select_option("read-only")
    page.get_by_role("button", name="Make the key").click()
    key_id, secret = re.findall(r"=(\S+)", page.locator("#made").inner_text())
    assert "the control room" in page.inner_text("table")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_timeout(1000 * key_store.CACHE_SECONDS)
    page.get_by_label("Access key id").fill(key_id)
    page.get_by_label("Secret access key").fill(secret)
    page.get_by_role("button", name="Sign in").click()
    assert "read-only" in page.inner_text("header")
    page.goto("/settings/keys")
    assert page.get_by_role("button", name="Make the key").is_disabled()
    eyes.close()
    assert eyes.troubles == []


def test_a_read_only_key_makes_and_deletes_no_keys(locked: Served) -> None:
    assert locked.full
    client = locked.signed_in(locked.looking)
    csrf = token(client.get("/settings/keys").text)
    for path, form in (("/settings/keys", {"note": "mine"}), ("/settings/keys/delete", {"key": locked.full.id})):
        refused = client.post(path, data={"csrf": csrf, **form})
        assert refused.status_code == 400
        assert "is read-only and may not change keys" in refused.text
    assert "mine" not in client.get("/settings/keys").text


def test_a_key_of_another_account_is_neither_seen_nor_deleted(locked: Served) -> None:
    other = key_store.create_key(locked.database, "222222222222", "other", datetime.now(UTC))
    client = locked.signed_in(locked.full)
    page = client.get("/settings/keys")
    assert other.id not in page.text
    refused = client.post("/settings/keys/delete", data={"csrf": token(page.text), "key": other.id})
    assert refused.status_code == 404
    assert other.id in {one.id for one in key_store.list_keys(locked.database)}


def test_who_made_a_key_is_in_the_audit_log(locked: Served) -> None:
    assert locked.full
    client = locked.signed_in(locked.full)
    client.post("/settings/keys", data={"csrf": token(client.get("/settings/keys").text), "note": "audited"})
    page = client.get("/settings/audit").text
    assert re.search(rf'data-label="Who">{locked.full.id}</td>\s*<td data-label="What"><strong>CreateAccessKey', page)


def test_figures_of_other_accounts_are_not_shown_where_others_sign_in(locked: Served) -> None:
    page = locked.signed_in(locked.looking).get("/settings/metrics").text
    assert "No figures of this account yet" in page
    assert "openlookout_models" not in page
