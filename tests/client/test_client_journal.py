"""What is remembered of an upload, whatever line a kill cuts off."""

from pathlib import Path

import pytest
from darkroom.errors import UploadError
from darkroom.upload.journal import Batch, Journal, journal_of

FILES = [("a.png", 1, "image/png", "aa"), ("b.png", 2, "image/png", "bb")]


def written(path: Path) -> str:
    """The lines of an upload of two files, of which one was sent."""
    journal = Journal(path)
    batch = Batch("key", list(FILES))
    journal.add(batch)
    journal.opened(batch, "upload", {"aa": "1", "bb": "2"})
    for image_id in ("1", "2"):
        journal.begin(batch, image_id)
    journal.sent(batch, "1")
    journal.close()
    return path.read_text()


def test_a_journal_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Files, ids, and what was begun and sent."""
    written(tmp_path / "j")
    [batch] = Journal(tmp_path / "j").batches
    assert (batch.key, batch.files, batch.upload_id) == ("key", FILES, "upload")
    assert batch.ids == {"aa": "1", "bb": "2"}
    assert (batch.begun, batch.sent) == ({"1", "2"}, {"1"})


def test_a_line_that_was_cut_off_did_not_happen(tmp_path: Path) -> None:
    """At every byte: what is read is a moment of the past, and what is noted afterwards is read as well."""
    text, path = written(tmp_path / "j"), tmp_path / "cut"
    seen = []
    for end in range(len(text)):
        path.write_text(text[:end])
        journal = Journal(path)
        for batch in journal.batches:
            assert batch.sent <= batch.begun <= set(batch.ids.values())
            journal.begin(batch, "later")
        journal.close()
        again = Journal(path)
        again.close()
        assert all("later" in each.begun for each in again.batches)
        seen.append(len(again.batches))
    assert seen == sorted(seen)
    assert set(seen) == {0, 1}


def test_what_is_over_is_forgotten(tmp_path: Path) -> None:
    """A batch by itself, and the file when all of it is done."""
    written(tmp_path / "j")
    journal = Journal(tmp_path / "j")
    journal.forget(journal.batches[0])
    journal.close()
    journal = Journal(tmp_path / "j")
    assert not journal.batches
    journal.finish()
    journal.close()
    assert not (tmp_path / "j").exists()


def test_one_process_at_a_time_uploads_a_folder(tmp_path: Path) -> None:
    """A second one is refused; another folder, project or server is another upload."""
    with journal_of(tmp_path / "state", "u", "p", tmp_path):
        with (
            pytest.raises(UploadError, match="another process"),
            journal_of(tmp_path / "state", "u", "p", tmp_path),
        ):
            pass
        for url, project, folder in (("v", "p", tmp_path), ("u", "q", tmp_path), ("u", "p", tmp_path / "x")):
            with journal_of(tmp_path / "state", url, project, folder):
                pass
    with journal_of(tmp_path / "state", "u", "p", tmp_path) as journal:
        assert not journal.batches
