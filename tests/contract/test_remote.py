"""Idempotency keys, objects and jobs."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.contract.errors import ConflictError, RejectedImageError, UnprocessableError
from tests.support import make_session, make_user, new_id

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
ANSWER = {"sessionId": "S", "status": "queued"}


def _code(error_type: type, call) -> str:
    with pytest.raises(error_type) as raised:
        call()
    return raised.value.code


def _begin(ports, key: str, request_hash: str = "hash", at: datetime = NOW, plan: str = "first"):
    return ports.idempotency.begin(key, request_hash, at, {"sessionId": plan})


def test_a_key_answers_the_same_again(ports):
    """The first request is carried out, and its repeats get its answer."""
    key = new_id()
    begun = _begin(ports, key)
    assert (begun.plan, begun.is_again, begun.answer) == ({"sessionId": "first"}, False, None)
    ports.idempotency.finish(key, ANSWER)
    assert _begin(ports, key, plan="second").answer == ANSWER
    assert _begin(ports, key, at=NOW + timedelta(hours=23)).answer == ANSWER


def test_a_key_is_for_one_request(ports):
    """Another request with the key is refused, during the first and after it."""
    key = new_id()
    _begin(ports, key)
    assert _code(UnprocessableError, lambda: _begin(ports, key, "other")) == "idempotency-key-reused"
    ports.idempotency.finish(key, ANSWER)
    assert _code(UnprocessableError, lambda: _begin(ports, key, "other")) == "idempotency-key-reused"


def test_a_request_in_flight_holds_its_key_for_a_minute(ports):
    """A repeat is refused while the first runs, and goes on with its plan when that one must have died."""
    key, minute, late = new_id(), NOW + timedelta(minutes=1), NOW + timedelta(minutes=1, seconds=1)
    first = _begin(ports, key)
    assert _code(ConflictError, lambda: _begin(ports, key, at=minute, plan="x")) == "request-in-flight"
    assert _code(UnprocessableError, lambda: _begin(ports, key, "other", late)) == "idempotency-key-reused"
    second = _begin(ports, key, at=late, plan="second")
    assert (second.plan, second.is_again) == ({"sessionId": "first"}, True)
    assert second.lock != first.lock
    assert _code(ConflictError, lambda: _begin(ports, key, at=late, plan="x")) == "request-in-flight"


def test_a_key_is_free_after_a_failure_and_after_a_day(ports):
    """A key that was abandoned, or is over 24 hours old, may be used for anything."""
    key = new_id()
    ports.idempotency.abandon(key, _begin(ports, key).lock)
    assert _begin(ports, key, "other", plan="second").plan == {"sessionId": "second"}
    ports.idempotency.finish(key, ANSWER)
    late = _begin(ports, key, at=NOW + timedelta(hours=24, seconds=1), plan="third")
    assert (late.plan, late.is_again, late.answer) == ({"sessionId": "third"}, False, None)


def test_a_released_key_goes_on_with_its_plan_at_once(ports):
    """After a failure of unknown effect the same request, and no other, goes on with what was planned."""
    key = new_id()
    ports.idempotency.release(key, _begin(ports, key).lock)
    assert _code(UnprocessableError, lambda: _begin(ports, key, "other")) == "idempotency-key-reused"
    again = _begin(ports, key, plan="second")
    assert (again.plan, again.is_again) == ({"sessionId": "first"}, True)


@pytest.mark.parametrize("way", ["release", "abandon"])
def test_who_lost_a_key_leaves_it_alone(ports, way):
    """A request whose key was taken over, or that has answered, neither frees nor forgets it."""
    key, late = new_id(), NOW + timedelta(minutes=2)
    first, second = _begin(ports, key), _begin(ports, key, at=late, plan="second")
    getattr(ports.idempotency, way)(key, first.lock)
    assert _code(ConflictError, lambda: _begin(ports, key, at=late, plan="x")) == "request-in-flight"
    ports.idempotency.finish(key, ANSWER)
    getattr(ports.idempotency, way)(key, second.lock)
    assert _begin(ports, key, at=late).answer == ANSWER


def test_what_is_fixed_first_is_answered_ever_after(ports):
    """The first request's answer is that of its repeats for a day, and another request is refused."""
    key, fix = new_id(), ports.idempotency.fix
    assert fix(key, "hash", NOW, ANSWER) == ANSWER
    assert fix(key, "hash", NOW + timedelta(hours=23), {"sessionId": "other"}) == ANSWER
    assert _code(UnprocessableError, lambda: fix(key, "other", NOW, {})) == "idempotency-key-reused"
    assert fix(key, "other", NOW + timedelta(hours=24, seconds=1), {"late": 1}) == {"late": 1}


def test_finishing_an_unknown_key_makes_nothing(ports):
    """An answer without its claim is dropped: the key is still free."""
    key = new_id()
    ports.idempotency.finish(key, ANSWER)
    assert _begin(ports, key).answer is None


def test_objects_are_put_read_and_deleted(ports, project_id):
    """Bytes come back as they were put, the newest where there were two, and None where there are none."""
    keys = [f"projects/{project_id}/images/{name}" for name in ("a", "é + %/b")]
    for key in keys:
        assert ports.store.put(key, b"old", "image/png") != ports.store.put(key, b"\x00new", "image/png")
        assert ports.store.get(key, 10) == b"\x00new"
    ports.store.delete([*keys, "projects/none"])
    assert [ports.store.get(key, 10) for key in keys] == [None, None]
    ports.store.delete([])


def test_the_etag_is_that_of_the_bytes(ports, project_id):
    """The same bytes have the same ETag, without the quotes of HTTP."""
    first, second = (ports.store.put(f"projects/{project_id}/{n}", b"bytes", "image/png") for n in "ab")
    assert first == second
    assert '"' not in first


def test_an_object_over_the_limit_is_refused(ports, project_id):
    """An object is read up to the limit exactly, and refused one byte above it."""
    key = f"projects/{project_id}/large"
    ports.store.put(key, b"x" * 10, "image/png")
    assert ports.store.get(key, 10) == b"x" * 10
    assert _code(RejectedImageError, lambda: ports.store.get(key, 9)) == "file-too-large"


def test_objects_are_listed_by_their_prefix(ports, project_id, monkeypatch):
    """Every object below a prefix is listed once with its size and time, over pages, and none beside it.

    More names are deleted than one call to S3 may have, which is a thousand.
    """
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")  # a page
    prefix = f"incoming/{project_id}/"
    names = [f"{prefix}{number:04} é" for number in range(1001)]
    keys = names[::40]
    for key in keys:
        ports.store.put(key, b"12345", "image/png")
    ports.store.put(f"incoming/{project_id}0/x", b"", "image/png")
    found = list(ports.store.list(prefix))
    assert [each.key for each in found] == keys
    assert {each.size_bytes for each in found} == {5}
    assert all(abs(each.modified - ports.clock.now()) < timedelta(minutes=1) for each in found)
    ports.store.delete(names)
    assert list(ports.store.list(prefix)) == []


def test_multipart_uploads_below_a_prefix_are_given_up(ports, project_id, begin_multipart):
    """Uploads in progress below the prefix end, once; those beside it go on."""
    for name in ("a", "b/c"):
        begin_multipart(f"transfers/{project_id}/{name}")
    beside = f"transfers/{project_id}0/"
    begin_multipart(f"{beside}a")
    assert ports.store.abort_uploads(f"transfers/{project_id}/") == 2
    assert ports.store.abort_uploads(f"transfers/{project_id}/") == 0
    assert ports.store.abort_uploads(beside) == 1


def test_a_job_is_found_by_its_session_and_by_its_id(ports):
    """A submitted job is there by name and by id, and an unknown one is not."""
    session = make_session()
    job_id = ports.jobs.submit(session, 3600)
    assert [each.batch_job_id for each in ports.jobs.find(session.session_id)] == [job_id]
    assert ports.jobs.describe([job_id, new_id()]).keys() == {job_id}
    assert ports.jobs.describe([job_id])[job_id].status == "RUNNABLE"
    assert list(ports.jobs.find(new_id())) == []
    assert ports.jobs.describe([]) == {}


def test_two_jobs_of_one_name_are_both_found(ports):
    """The same session submitted twice is two jobs: SubmitJob knows no token."""
    session = make_session()
    made = {ports.jobs.submit(session, 3600) for _ in range(2)}
    assert {each.batch_job_id for each in ports.jobs.find(session.session_id)} == made
    assert len(made) == 2


def test_a_terminated_job_has_failed_for_the_first_reason(ports):
    """Ending a waiting job fails it with the reason; ending it again changes nothing."""
    job_id = ports.jobs.submit(make_session(), 3600)
    ports.jobs.terminate(job_id, "stopped by its owner")
    ports.jobs.terminate(job_id, "again")
    seen = ports.jobs.describe([job_id])[job_id]
    assert (seen.status, seen.reason) == ("FAILED", "stopped by its owner")


def _claim(ports, key: str) -> bool:
    try:
        return _begin(ports, key, plan=new_id()).answer is None
    except ConflictError:
        return False


def _register(ports, name: str) -> bool:
    try:
        ports.users.add(make_user(username=name))
    except ConflictError:
        return False
    return True


def _adopt(ports, session) -> bool:
    return ports.sessions.set_job(session, new_id())


@pytest.mark.parametrize("attempt", [_claim, _register, _adopt])
def test_of_ten_at_once_one_wins(ports, attempt):
    """Ten requests at once for one key, one username or one session's job: exactly one gets it."""
    session = make_session()
    ports.sessions.add(session)
    prize = session if attempt is _adopt else new_id()
    with ThreadPoolExecutor(10) as pool:
        won = list(pool.map(lambda _: attempt(ports, prize), range(10)))
    assert won.count(True) == 1
