"""Messages of a queue, handled in parallel."""

from threading import Barrier

import pytest

from chalicelib.events.queues import MAX_RECEIVES, handle_each
from tests.support import Crash


def _event(*bodies: str, receives: int = 1) -> dict:
    attributes = {"ApproximateReceiveCount": str(receives)}
    return {
        "Records": [
            {"messageId": f"m{number}", "body": body, "attributes": attributes}
            for number, body in enumerate(bodies)
        ]
    }


def _handle(message) -> None:
    if message["body"] == "bad":
        raise ValueError("bad")


def test_messages_of_a_batch_are_handled_at_once():
    """Ten messages meet in their handlers: none waits for another to end."""
    meeting = Barrier(10)
    answer = handle_each(_event(*"abcdefghij"), lambda _: meeting.wait(timeout=20))
    assert answer == {"batchItemFailures": []}


def test_no_more_are_handled_at_once_than_there_are_workers():
    """With one worker each message ends before the next begins, in their order."""
    seen = []
    handle_each(_event("a", "b"), lambda m: seen.extend([m["body"], m["body"]]), workers=1)
    assert seen == ["a", "a", "b", "b"]


def test_a_bad_message_never_holds_up_the_others():
    """The bad ones are reported, by their own ids, and the others are handled."""
    handled = []

    def handle(message) -> None:
        _handle(message)
        handled.append(message["body"])

    answer = handle_each(_event("a", "bad", "b", "bad"), handle)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m3"}]}
    assert sorted(handled) == ["a", "b"]


@pytest.mark.parametrize(("receives", "given_up"), [(MAX_RECEIVES - 1, []), (MAX_RECEIVES, ["bad"])])
def test_a_message_is_given_up_at_its_last_try(receives, given_up):
    """Only at the last receive is it given up, and it is reported all the same."""
    seen = []
    answer = handle_each(_event("bad", receives=receives), _handle, lambda m: seen.append(m["body"]))
    assert (seen, len(answer["batchItemFailures"])) == (given_up, 1)


def test_giving_up_may_fail():
    """A failure while giving up leaves the message to the dead-letter queue, and the others alone."""
    answer = handle_each(_event("bad", "a", receives=MAX_RECEIVES), _handle, _handle)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}


def test_a_dying_process_reports_nothing():
    """What is no Exception comes through, so that Lambda sees the invocation fail."""

    def die(_) -> None:
        raise Crash

    with pytest.raises(Crash):
        handle_each(_event("a", "b"), die)
