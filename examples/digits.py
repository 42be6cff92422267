"""`make demo`: 600 handwritten digits become a model, through the API alone.

The images are scikit-learn's `load_digits`: 8 x 8 pixels, from the UCI Optical Recognition of
Handwritten Digits data set.
"""

import os
import sys
import time
from contextlib import suppress
from io import BytesIO
from typing import Any

from PIL import Image
from rich.console import Console

from .display import Progress, show_results
from .http import Client, File
from .stack import running_stack

IMAGES = 600
IMAGES_A_REQUEST = 100
POLL_SECONDS = 0.5
OVER = ("completed", "failed", "stopped")


def main() -> int:
    console = Console(highlight=False, soft_wrap=True)
    started = time.monotonic()
    pretrained = os.environ.get("PRETRAINED") != "0"
    with running_stack() as (url, process):
        console.print(f"[bold]Darkroom[/] at {url}, with an embedded AWS: nothing leaves this machine")
        completed = run_main_job(Client(url), console, pretrained)
        console.print(f"\nfrom nothing to a model in {time.monotonic() - started:.0f} s")
        if os.environ.get("KEEP") == "1":
            console.print(f"the stack stays up at {url}, user [bold]demo[/] with password "
                          f"[bold]{PASSWORD}[/]; Ctrl-C ends it")  # fmt: skip
            wait_for_interrupt(process)
    return 0 if completed else 1


PASSWORD = "a darkroom of my own"  # noqa: S105 - of a user who lives as long as the demo


def run_main_job(client: Client, console: Console, pretrained: bool) -> bool:
    """Registers, uploads, labels, trains and shows the results; whether the run completed."""
    client.call("POST", "/api/users", {"username": "demo", "email": "demo@example.org", "password": PASSWORD})
    login = client.call("POST", "/api/auth/login", {"login": "demo", "password": PASSWORD})
    client.token = login["accessToken"]
    created = client.call("POST", "/api/projects", {"projectName": "handwritten digits"})
    project = f"/api/projects/{created['projectId']}"
    console.print(f"registered, logged in, created project {created['projectId']}")
    upload(client, console, project)
    configuration = client.call("PUT", f"{project}/training/configure", parameters(pretrained))
    shown = ("architecture", "pretrained", "epochs", "batchSize", "learningRate", "imageSize")
    console.print("configured " + ", ".join(f"{name} {configuration[name]}" for name in shown))
    started = client.call("POST", f"{project}/training/start")
    session = f"{project}/training/{started['sessionId']}"
    status = follow(client, console, f"{session}/status", configuration["epochs"])
    if status["status"] != "completed":
        console.print(f"[red]the run {status['status']}:[/] {status['failure']}")
        return False
    show_results(console, client.call("GET", f"{session}/results"))
    return True


def upload(client: Client, console: Console, project: str) -> None:
    """Sends one half of the images in requests, posts the other to S3, and labels all of them."""
    files, labels = digits(IMAGES)
    half = len(files) // 2
    for start in range(0, half, IMAGES_A_REQUEST):
        client.send_images(project, files[start : min(start + IMAGES_A_REQUEST, half)])
    console.print(f"uploaded {half} images by multipart")
    reconciliation = client.post_images(project, files[half:])
    while (found := client.call("GET", reconciliation))["pending"]:
        time.sleep(POLL_SECONDS)
    counts = ", ".join(f"{found[name]} {name}" for name in ("expected", "accepted", "duplicate", "rejected"))
    console.print(f"posted {len(files) - half} images to S3 under one signature: {counts}")
    report = client.call("POST", f"{project}/data/labels", {"labels": labels})
    console.print(f"labelled {report['summary']['updated']} images of {len(report['classes'])} classes")


def digits(count: int) -> tuple[list[File], dict[str, str]]:
    """The first digits of the data set as PNG files, and file name -> class."""
    from sklearn.datasets import load_digits

    data = load_digits()
    files, labels = [], {}
    for index in range(count):
        name = f"digit-{index:04}.png"
        target = BytesIO()
        Image.fromarray((data.images[index] * 255 / 16).astype("uint8")).save(target, "PNG")
        files.append((name, target.getvalue()))
        labels[name] = str(data.target[index])
    return files, labels


def parameters(pretrained: bool) -> dict[str, Any]:
    """A mirrored digit is another digit, or none; and 8 pixels need no more than 64."""
    epochs = {"epochs": int(os.environ["EPOCHS"])} if os.environ.get("EPOCHS") else {}
    return {"pretrained": pretrained, "imageSize": 64, "horizontalFlip": False} | epochs


def follow(client: Client, console: Console, path: str, epochs: int) -> Any:
    """Shows a run's progress until it is over; returns its last status."""
    with Progress(console, epochs) as progress:
        while (status := client.call("GET", path))["status"] not in OVER:
            progress.show(status)
            time.sleep(POLL_SECONDS)
        progress.show(status)
    return status


def wait_for_interrupt(process: Any) -> None:
    with suppress(KeyboardInterrupt):
        process.wait()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # Ctrl-C; the stack has ended with us
