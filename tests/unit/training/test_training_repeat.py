from dataclasses import replace
from pathlib import Path

import pytest
from finished import make_history
from tiny import make_entries

from chalicelib.contract.errors import TrainingError
from training_job.repeat import EpochLog, FolderImages, compare, device_of, main


def test_images_are_found_by_id_or_by_name(tmp_path: Path) -> None:
    """As the bucket names them, with a suffix or without, or else as they were uploaded."""
    first, second, third, fourth = make_entries(*"aaaa")
    fourth = replace(fourth, file_name="third.png")
    for name in (first.image_id, f"{second.image_id}.jpg", third.file_name):
        (tmp_path / name).write_text(name)
    images = FolderImages.of(tmp_path, [first, second, third, fourth])
    assert images.get(second.image_id).decode() == f"{second.image_id}.jpg"
    assert [images.get(each.image_id).decode() for each in (first, third)] == [first.image_id, "2.png"]
    with pytest.raises(TrainingError, match=fourth.image_id):
        images.get(fourth.image_id)


@pytest.mark.parametrize(("last_epoch", "stops"), [(None, [False, False]), (2, [False, True])])
def test_repetition_stops_where_the_original_did(last_epoch: int | None, stops: list[bool]) -> None:
    """After the last epoch of a run that was stopped, and never by itself."""
    log, seen = EpochLog(last_epoch), []
    for figures in make_history(1, 2):
        log.on_epoch(figures)
        seen.append(log.stop_requested)
    assert seen == stops


def test_weights_are_compared_by_their_hash() -> None:
    """Equal figures aren't enough."""
    one, other = (
        {"accuracy": 1.0, "loss": 0.1, "artifacts": [{"format": "safetensors", "sha256": digest}]}
        for digest in ("a" * 64, "b" * 64)
    )
    assert compare(one, one)
    assert not compare(one, other)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--run", "run.json"], "--manifest and --images"),
        (["--session", "s3://bucket/sessions/s"], "s3://BUCKET/projects/P/sessions/S/1-1"),
    ],
)
def test_incomplete_arguments_are_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Without the session or all of its files there is nothing to repeat."""
    with pytest.raises(SystemExit):
        main([*arguments, "--output", str(tmp_path)])
    assert said in capsys.readouterr().err


def test_a_file_that_is_not_there_is_no_difference(tmp_path: Path) -> None:
    """What fails has another exit code than a repetition whose weights are others."""
    files = [part for name in ("run", "manifest", "images") for part in (f"--{name}", str(tmp_path / name))]
    assert main([*files, "--output", str(tmp_path)]) == 2


def test_the_device_is_the_originals_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run on a CPU is repeated on one, whatever else the machine has; one on a GPU, on what there is."""
    found = []
    for has_gpu in (True, False):
        monkeypatch.setattr("torch.cuda.is_available", lambda has_gpu=has_gpu: has_gpu)
        found += [device_of({"device": kind}).type for kind in ("cpu", "cuda")]
    assert found == ["cpu", "cuda", "cpu", "cpu"]
