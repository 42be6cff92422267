"""What the command looks like in a terminal of 80 columns."""

import io
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pytest
from darkroom.cli.app import app
from darkroom.cli.train import _watch
from darkroom.models import Metrics, RunStatus
from typer.testing import CliRunner

if TYPE_CHECKING:
    from darkroom.run import Run


@pytest.mark.parametrize("group", ["", *(str(each.name) for each in app.registered_groups)])
def test_lists_of_commands_cut_no_sentence_off(monkeypatch: pytest.MonkeyPatch, group: str) -> None:
    """What each command does stands there whole, in a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, [*group.split(), "--help"]).output
    listed = shown.partition("Commands:")[2].strip().splitlines()
    assert listed
    assert [each for each in listed if each.endswith("...")] == []


def test_bar_of_a_run_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the bar: phase, epoch, accuracy and the time that is left, none of it cut off."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    class Training:
        id = "r"

        def wait(self, on_update: Callable[[RunStatus], None]) -> None:
            metrics = Metrics(
                epoch=100, train_loss=0.5, val_loss=0.5, val_accuracy=0.5, images_per_second=9.0
            )
            members = {"session_id": "r", "config_id": "c", "status": "running", "progress": 85.0}
            started = {"phase": "training", "start_time": "2026-01-01T00:00:00Z"}
            on_update(RunStatus(**members, **started, metrics=metrics, eta_seconds=12345))

    terminal = Terminal()
    for name, value in (("COLUMNS", "80"), ("TERM", "xterm"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", terminal)
    _watch(cast("Run", Training()))
    assert re.search("run +━+ +85% training +epoch 100 +accuracy 0.5000 +12345 s left", terminal.getvalue())
