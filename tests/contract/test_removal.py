"""Rows by their keys alone."""

from chalicelib.contract.records import EpochMetrics
from chalicelib.contract.tables import CONFIGURATIONS, IMAGES, LABELS, METRICS, SESSIONS
from tests.support import NOW, make_image, make_label, make_session, new_id


def _epoch(session_id: str, number: int) -> EpochMetrics:
    figures = dict.fromkeys(
        ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate"), 0.5
    ) | dict.fromkeys(("images_per_second", "epoch_seconds"), 1.0)
    return EpochMetrics(
        session_id=session_id, epoch=number, created_at=NOW, expires_at=2_000_000_000, **figures
    )


def _fill(ports, project_id: str, count: int) -> list[str]:
    ids = sorted(new_id(10**12 + number) for number in range(count))
    for each in ids:
        ports.images.accept(make_image(project_id, image_id=each))
    ports.labels.put([make_label(project_id, each) for each in ids])
    return ids


def test_all_rows_of_a_partition_are_found_by_their_keys(ports, project_id):
    """Images come with the marks of their hashes, labels and sessions alone; unknown partitions are empty."""
    ids = _fill(ports, project_id, 30)
    session = make_session(project_id)
    ports.sessions.add(session)
    images = list(ports.rows.keys(IMAGES, project_id))
    assert [each for each in images if each in set(ids)] == ids
    assert len(images) == 60
    assert list(ports.rows.keys(LABELS, project_id)) == ids
    assert list(ports.rows.keys(SESSIONS, project_id)) == [session.session_id]
    assert list(ports.rows.keys(CONFIGURATIONS, project_id)) == []


def test_rows_are_deleted_by_their_keys_and_no_others(ports, project_id):
    """What is named goes, also when it is gone already; other rows and other partitions stay."""
    ids, beside = _fill(ports, project_id, 30), new_id()
    kept = _fill(ports, beside, 2)
    for _ in range(2):
        ports.rows.delete(LABELS, project_id, ids[1:])
    ports.rows.delete(LABELS, project_id, [])
    assert list(ports.rows.keys(LABELS, project_id)) == ids[:1]
    ports.rows.delete(IMAGES, project_id, list(ports.rows.keys(IMAGES, project_id)))
    assert list(ports.rows.keys(IMAGES, project_id)) == []
    assert list(ports.rows.keys(LABELS, beside)) == kept
    assert len(list(ports.rows.keys(IMAGES, beside))) == 4


def test_metrics_are_found_and_deleted_by_their_epochs(ports, add_epoch):
    """The key of a metrics row is the session and the number of the epoch."""
    session_id = new_id()
    for number in (1, 2, 10):
        add_epoch(_epoch(session_id, number))
    assert list(ports.rows.keys(METRICS, session_id)) == [1, 2, 10]
    ports.rows.delete(METRICS, session_id, [1, 10])
    assert [each.epoch for each in ports.metrics.list(session_id)] == [2]
