"""What goes wrong for people, and what the console makes of it."""

import re
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from chalicelib.contract.states import Status
from examples.digits import digits
from tests.browser.person import PASSWORD, Person
from tests.browser.seeding import Tables, session


def test_wrong_password_is_told_and_what_was_typed_stays(page: Page, url: str) -> None:
    """A login that is refused says so, and keeps name and password in their fields."""
    page.goto("/")
    page.get_by_label("Email or username").fill("nobody-here")
    page.get_by_label("Password", exact=True).fill("a wrong password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Email or username")).to_have_value("nobody-here")
    expect(page.get_by_label("Password", exact=True)).to_have_value("a wrong password")


def test_registration_points_at_each_wrong_field(page: Page, url: str) -> None:
    """Username, email and password each say what is wrong with them."""
    page.goto("/")
    page.get_by_role("button", name="Create an account").click()
    for label, text in (("Username", "a b"), ("Email", "nobody"), ("Password", "short")):
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Create account").click()
    expect(page.locator(".field.wrong")).to_have_count(3)
    assert all(each.get_attribute("aria-invalid") for each in page.locator(".field.wrong input").all())
    expect(page.locator(".field.wrong .error").nth(1)).to_have_text(
        "No email address: it is like ann@example.org."
    )


def test_expired_session_comes_back_to_the_same_place(page: Page, person: Person) -> None:
    """When the login ends, a sign-in comes over the page; behind it what was typed is still there."""
    project_id = person.project()
    person.opens("p", project_id, "train")
    page.get_by_label("Epochs", exact=True).fill("17")
    ends_every_login(page, person)
    person.press("Start training")
    dialog = page.get_by_role("dialog", name="Sign in again")
    expect(dialog).to_be_visible()
    person.looks_at("signed-out")
    dialog.get_by_label("Email or username").fill(person.name)
    dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("alert")).to_contain_text(
        "Training needs"
    )  # the request went on: there is no data
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("17")
    assert page.url.endswith(f"#/p/{project_id}/train")


def ends_every_login(page: Page, person: Person) -> None:
    refresh = page.evaluate("localStorage.getItem('darkroom.refresh')")
    person.client.call("POST", "/api/auth/logout", {"refreshToken": refresh, "everywhere": True})


def test_server_that_is_down_is_told_and_asked_again(page: Page, person: Person) -> None:
    """A banner says so; the project's name that was typed stays, and goes through when the server is back."""
    person.press("Create your first project")
    page.get_by_label("Name").fill("Typed while it was down")
    away = re.compile(r"/api/(projects|docs)")
    page.route(away, lambda route: route.abort("connectionrefused"))
    person.press("Create project")
    expect(page.get_by_role("status").filter(has_text="Darkroom doesn't answer.")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("Your input is kept")
    expect(page.get_by_label("Name")).to_have_value("Typed while it was down")
    page.unroute(away)
    person.press("Create project")
    expect(page.get_by_text("Drop a folder of images here")).to_be_visible()
    expect(page.get_by_text("Typed while it was down")).to_be_visible()
    expect(page.get_by_text("Darkroom doesn't answer.")).to_be_hidden()


def test_page_that_loads_while_the_server_is_down_comes_by_itself(page: Page, person: Person) -> None:
    """What is only read is asked for again, without a click, until there is an answer."""
    project_id, tries = person.project(), []

    def refuse_twice(route: Route) -> None:
        tries.append(1)
        if len(tries) < 3:
            route.fulfill(status=503, headers={"Retry-After": "1"}, json={"detail": "busy", "code": "busy"})
        else:
            route.continue_()

    page.route(re.compile(f"/api/projects/{project_id}/training"), refuse_twice)
    person.opens("p", project_id, "runs")
    expect(person.heading("No runs yet")).to_be_visible()
    assert len(tries) == 3


def test_folder_without_images_uploads_nothing(page: Page, person: Person, tmp_path: Path) -> None:
    """It says that none of the files is an image, which, and offers no upload."""
    (tmp_path / "texts").mkdir()
    for name in ("a.txt", "b.pdf", "c.heic"):
        (tmp_path / "texts" / name).write_text("no image")
    person.opens("p", person.project(), "upload")
    person.chooses(tmp_path / "texts")
    expect(person.heading("Nothing to upload")).to_be_visible()
    expect(page.get_by_text("None of the 3 files is an image that Darkroom reads.")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Upload"))).to_have_count(0)
    person.looks_at("no-images")


def test_broken_image_is_refused_with_its_reason(page: Page, person: Person, tmp_path: Path) -> None:
    """A file that is no image inside is shown with why; the others are taken."""
    for name, content in digits(2)[0]:
        (tmp_path / name).write_bytes(content)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50)
    person.opens("p", person.project(), "upload")
    person.chooses(tmp_path)
    person.press("Upload 3 images")
    expect(page.get_by_text("2 accepted, 0 already there, 1 refused")).to_be_visible()
    refused = page.get_by_role("listitem").filter(has_text="broken.png")
    expect(refused.locator(".why")).not_to_be_empty()


def test_upload_that_waits_for_an_answer_is_not_over(page: Page, person: Person, tmp_path: Path) -> None:
    """Until the server has answered for the first time it is uploading, and nothing is offered to clear."""
    for name, content in digits(2)[0]:
        (tmp_path / name).write_bytes(content)
    held: list[Route] = []
    page.route(re.compile("/data/uploads$"), lambda route: held.append(route))
    person.opens("p", person.project(), "upload")
    person.chooses(tmp_path)
    person.press("Upload 2 images")
    expect(person.heading("Uploading: 0 of 2")).to_be_visible()
    expect(page.get_by_role("button", name="Clear")).to_have_count(0)
    held[0].continue_()
    expect(page.get_by_text("2 accepted, 0 already there")).to_be_visible()


def test_upload_goes_on_when_the_browser_is_online_again(page: Page, person: Person, tmp_path: Path) -> None:
    """Offline in the middle of an upload: it waits, says so, and sends the rest; nothing is sent twice."""
    for name, content in digits(30)[0]:
        (tmp_path / name).write_bytes(content)
    sent: list[str] = []
    page.on("requestfinished", lambda request: sent.append(request.url) if is_post_to_s3(request) else None)
    person.opens("p", person.project(), "upload")
    person.chooses(tmp_path)
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    slow = {"offline": False, "latency": 400, "downloadThroughput": -1, "uploadThroughput": -1}
    network.send("Network.emulateNetworkConditions", slow)
    person.press("Upload 30 images")
    page.wait_for_event("requestfinished", is_post_to_s3)
    page.context.set_offline(True)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^waiting"))).to_be_visible()
    assert 0 < len(sent) < 30
    network.send("Network.emulateNetworkConditions", slow | {"latency": 0})
    page.context.set_offline(False)
    expect(page.get_by_text("30 accepted, 0 already there, 0 refused, 0 not sent")).to_be_visible()


def is_post_to_s3(request: object) -> bool:
    return request.method == "POST" and "/api/" not in request.url


def test_failed_run_gives_its_reason_and_the_button_that_mends_it(page: Page, person: Person) -> None:
    """Out of memory at a batch size of 32: the button opens the configuration with 16."""
    project_id = person.project()
    failure = {"code": "out-of-memory", "message": "the job ran out of memory; lower batchSize or imageSize"}
    failed = session(
        project_id, 1, status=Status.FAILED, phase="training", failure_reason=failure, metrics=None
    )
    Tables.behind(person.client, project_id).put("TrainingSessions", [failed])
    person.opens("p", project_id, "runs", failed.session_id)
    expect(page.get_by_role("alert")).to_contain_text(
        "The job ran out of memory; lower batchSize or imageSize."
    )
    person.looks_at("failed-run")
    person.follow("Use a batch size of 16")
    expect(page.get_by_label("Batch size", exact=True)).to_have_value("16")
