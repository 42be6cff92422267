"""The pollers' own decisions, against a queue that is a list."""

import threading
from typing import Any

import pytest

from infra.local.queues import EventSource, poll


class FakeSqs:
    """A queue whose messages come in the portions given; notes what is deleted."""

    def __init__(self, *portions: list[str]) -> None:
        self.portions = list(portions)
        self.asked: list[int] = []
        self.deleted: list[str] = []

    def receive_message(self, MaxNumberOfMessages: int, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's name
        self.asked.append(MaxNumberOfMessages)
        portion = self.portions.pop(0) if self.portions else []
        return {
            "Messages": [
                {"MessageId": each, "ReceiptHandle": each, "Body": each, "Attributes": {}, "MD5OfBody": ""}
                for each in portion
            ]
        }

    def delete_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> None:  # noqa: N803
        assert 1 <= len(Entries) <= 10
        self.deleted += [entry["ReceiptHandle"] for entry in Entries]


def _polled(queue: FakeSqs, answer: Any = None, batch_size: int = 10, window: float = 0) -> list[list[str]]:
    """The batches that the handler got until the queue gave nothing more."""
    batches: list[list[str]] = []
    stop = threading.Event()

    def handler(event: dict[str, Any], _: Any) -> Any:
        batches.append([record["messageId"] for record in event["Records"]])
        if not queue.portions:
            stop.set()
        return answer

    source = EventSource(
        queue_url="url",
        queue_arn="arn",
        handler=handler,
        function_name="function",
        batch_size=batch_size,
        window_seconds=window,
        is_worth_a_look=lambda: True,
    )
    poll(source, queue, stop)
    return batches


def test_without_a_window_each_receive_is_a_batch():
    """With no batching window what was received is handed over at once."""
    assert _polled(FakeSqs(["a"], ["b", "c"])) == [["a"], ["b", "c"]]


def test_a_window_gathers_a_batch():
    """With a batching window messages of several receives, and of a pause, make one batch."""
    assert _polled(FakeSqs(["a"], [], ["b", "c"]), window=0.5) == [["a", "b", "c"]]


def test_a_window_ends_when_the_batch_is_full():
    """A full batch does not wait for its window, and no more is asked for than fits."""
    queue = FakeSqs(["a"], ["b", "c"])
    assert _polled(queue, batch_size=3, window=60) == [["a", "b", "c"]]
    assert queue.asked == [3, 2]


@pytest.mark.parametrize(
    ("answer", "deleted"),
    [
        (None, ["a", "b"]),
        ({}, ["a", "b"]),
        ({"batchItemFailures": []}, ["a", "b"]),
        ({"batchItemFailures": [{"itemIdentifier": "a"}]}, ["b"]),
        ({"batchItemFailures": [{"itemIdentifier": "unknown"}]}, []),
        ({"batchItemFailures": [{}]}, []),
    ],
)
def test_what_a_handler_reports_comes_again(answer, deleted):
    """Only what the handler is done with is deleted; an answer that makes no sense fails the batch."""
    queue = FakeSqs(["a", "b"])
    _polled(queue, answer)
    assert queue.deleted == deleted
