"""The main job by clicking: from signing up to the mistakes of the model."""

import re
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from examples.digits import digits
from tests.browser.person import Person

TRAINED = 120_000  # milliseconds that the tiny training may take on a busy machine


def test_folder_becomes_a_model_by_clicking(page: Page, url: str, digit_folder: Path) -> None:
    """Upload, label, configure, train, watch, and look at what the model gets wrong; axe finds nothing."""
    offer_predictions(page)
    person = Person.signed_up(page, url)
    person.looks_at("welcome")
    create_project(page, person)
    upload(page, person, digit_folder)
    label(page, person)
    train(page, person)
    results(page, person)


def create_project(page: Page, person: Person) -> None:
    person.press("Create your first project")
    page.get_by_label("Name").fill("Handwritten digits")
    page.get_by_label("Description").fill("Eight by eight pixels, from many hands.")
    person.looks_at("new-project")
    person.press("Create project")
    expect(page.get_by_text("Drop a folder of images here")).to_be_visible()


def upload(page: Page, person: Person, folder: Path) -> None:
    person.chooses(folder)
    expect(page.get_by_text("1 file left out")).to_be_visible()
    expect(person.heading(re.compile("^48 images, .* in 10 classes$"))).to_be_visible()
    person.looks_at("upload-preview")
    person.press("Upload 48 images")
    done = page.get_by_text(
        "48 files: 48 accepted, 0 already there, 0 refused, 0 not sent; 48 labelled by folder."
    )
    expect(done).to_be_visible()
    person.looks_at("uploaded")
    person.follow("See the images")


def label(page: Page, person: Person) -> None:
    """Number keys label what is selected, and Ctrl+Z takes it back."""
    expect(page.get_by_text("48 labelled")).to_be_visible()
    expect(page.get_by_role("group", name="Classes").get_by_role("button")).to_have_count(10)
    tiles = page.get_by_role("option").filter(has=page.locator("img"))
    expect(tiles).to_have_count(48)
    grid = page.get_by_role("listbox", name="Images")
    before = tiles.first.locator(".caption").inner_text()
    other = "digit 3" if before != "digit 3" else "digit 5"
    grid.press("Space")
    grid.press("Shift+ArrowRight")
    expect(page.get_by_text("2 selected")).to_be_visible()
    person.looks_at("gallery")
    grid.press(str(int(other[-1]) + 1))
    expect(page.get_by_text(f"2 images labelled {other}.")).to_be_visible()
    expect(tiles.first.locator(".caption")).to_have_text(other)
    grid.press("Control+z")
    expect(tiles.first.locator(".caption")).to_have_text(before)
    grid.press("Enter")
    expect(page.get_by_role("figure")).to_be_visible()
    person.looks_at("image")
    page.keyboard.press("n")
    expect(page.get_by_text("3 of 48")).to_be_visible()
    page.keyboard.press("p")
    expect(page.get_by_text("2 of 48")).to_be_visible()


def train(page: Page, person: Person) -> None:
    person.follow("Train")
    expect(person.heading("The data is ready")).to_be_visible()
    epochs = page.get_by_label("Epochs", exact=True)
    epochs.fill("0")
    person.press("Start training")
    expect(page.get_by_text("Out of bounds: 1 to 1,000.")).to_be_visible()
    person.looks_at("configure")
    epochs.fill("2")
    page.get_by_label("Image size").fill("64")
    page.get_by_label("Horizontal flip").uncheck()
    page.get_by_label("Batch size", exact=True).fill("16")
    person.press("Start training")
    expect(person.heading(re.compile("^Run of "))).to_be_visible()
    expect(page.get_by_text("of 2", exact=True)).to_be_visible()


def results(page: Page, person: Person) -> None:
    expect(page.locator(".strip [aria-current]")).to_have_text("training", timeout=TRAINED)
    person.looks_at("live")
    expect(person.heading("Confusion matrix")).to_be_visible(timeout=TRAINED)
    expect(page.get_by_text(re.compile("^accuracy on [0-9]+ validation images$"))).to_be_visible()
    expect(page.get_by_role("log")).to_contain_text("epoch 2: training loss")
    for name in ("safetensors", "onnx"):
        expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute(
            "href", re.compile("Signature=")
        )
    page.get_by_text("The whole card").click()
    expect(page.locator("pre").first).to_contain_text("mobilenet_v2")
    person.looks_at("results")
    mistakes(page)
    try_it(page)
    person.follow("Runs")
    expect(page.get_by_role("cell", name="completed")).to_be_visible()
    person.looks_at("runs")


def mistakes(page: Page) -> None:
    """A cell of the matrix opens its mistakes: as many as it says."""
    cell = page.get_by_role("button", name=re.compile("taken for .*: show")).first
    count, pair = re.match("(.*?) of (.*): show", cell.get_attribute("aria-label") or "").groups()
    cell.click()
    expect(page.get_by_role("heading", name=pair)).to_be_visible()
    expect(page.locator(".mistakes img")).to_have_count(int(count))


def offer_predictions(page: Page) -> None:
    """An installation whose OpenAPI document has the endpoint of predictions, and that answers one."""

    def documented(route: Route) -> None:
        document = route.fetch().json()
        document["paths"].setdefault("/api/projects/{projectId}/training/{sessionId}/predict", {})
        route.fulfill(json=document)

    answer = {
        "predictions": [{"label": "digit 7", "probability": 0.75}, {"label": "digit 1", "probability": 0.25}]
    }
    page.route("**/api/openapi.json", documented)
    page.route("**/predict", lambda route: route.fulfill(json=answer))


def try_it(page: Page) -> None:
    """An image of one's own is shown with the classes that it may be."""
    page.locator(".try input").set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": digits(1)[0][0][1]}
    )
    expect(page.get_by_alt_text("Your image, mine.png")).to_be_visible()
    expect(page.locator(".try")).to_contain_text("75.0 %")
