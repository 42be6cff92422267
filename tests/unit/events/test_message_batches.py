"""Messages of a queue, handled in parallel."""

from threading import Barrier, Event

import pytest

from chalicelib.events.queues import BEGIN_WITHIN_SECONDS, MAX_RECEIVES, handle_each
from chalicelib.services.gate import Gate
from chalicelib.services.turns import NotBegunError
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


class Slow:
    """A handler of which each message takes ten seconds of its own clock."""

    def __init__(self) -> None:
        self.seconds, self.begun = 0.0, []

    def clock(self) -> float:
        return self.seconds

    def handle(self, message) -> None:
        self.begun.append(message["body"])
        self.seconds += 10
        if message["body"] == "bad":
            raise ValueError("bad")


def test_what_has_not_begun_in_time_comes_again_untouched():
    """Behind slow ones a message is reported, and neither handled nor given up, be it its last receive."""
    slow, given_up = Slow(), []
    event = _event("a", "bad", "c", "d", "e", receives=MAX_RECEIVES)
    answer = handle_each(
        event, slow.handle, lambda message: given_up.append(message["body"]), workers=1, clock=slow.clock
    )
    assert BEGIN_WITHIN_SECONDS == 25
    assert (slow.begun, given_up) == (["a", "bad", "c"], ["bad"])
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == ["m1", "m3", "m4"]


def test_slow_ones_meet_their_fate_and_leave_the_queue_to_the_others():
    """Ten that take ten seconds each are through within four receives of their queue, of five."""
    left, receives = [str(number) for number in range(10)], 0
    while left:
        slow, receives = Slow(), receives + 1
        handle_each(_event(*left), slow.handle, workers=1, clock=slow.clock)
        assert slow.seconds < BEGIN_WITHIN_SECONDS + 10
        left = [each for each in left if each not in slow.begun]
    assert receives == 4 < MAX_RECEIVES


def test_who_waits_inside_has_not_begun(monkeypatch):
    """A message that waits for room that another one has, in the same batch, comes again by itself."""
    monkeypatch.setattr("chalicelib.events.queues.BEGIN_WITHIN_SECONDS", 0.2)
    gate, over, given_up = Gate(1), Event(), []

    def handle(message) -> None:
        try:
            with gate.enter(1):
                assert over.wait(20)
        except NotBegunError:
            over.set()
            raise

    answer = handle_each(_event("a", "b", receives=MAX_RECEIVES), handle, given_up.append)
    assert (len(answer["batchItemFailures"]), given_up) == (1, [])


def test_a_dying_process_reports_nothing():
    """What is no Exception comes through, so that Lambda sees the invocation fail."""

    def die(_) -> None:
        raise Crash

    with pytest.raises(Crash):
        handle_each(_event("a", "b"), die)
