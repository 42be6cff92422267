"""API keys that aren't, that were, and too many of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe

import pytest

from chalicelib import bootstrap
from chalicelib.contract.errors import ConflictError, UnauthenticatedError
from chalicelib.services.api_keys import MOST_KEYS
from tests.integration.conftest import Api
from tests.integration.reliability.foreign import READS, recorded
from tests.integration.test_api_keys import KEYS
from tests.support import new_id


@pytest.mark.injects(
    "an API key with another secret, another user's or an unknown id in it, cut, expired or revoked",
    times=60,
    soak=6_000,
    outcome="401 in the same words, after one read at most, and no write",
)
def test_what_is_no_key_opens_nothing(nobody: Api, times: int) -> None:
    """A request with a key that isn't one reads its user's row, if that, and learns nothing."""
    owner, other = nobody.register(), nobody.register()
    ids = [each.call("GET", "/api/users/me").json["userId"] for each in (owner, other)]
    good = owner.call("POST", KEYS, {"name": "k", "scopes": ["read"]}).json["key"]
    revoked = owner.call("POST", KEYS, {"name": "k", "scopes": ["read"]}).json
    owner.call("DELETE", f"{KEYS}/{revoked['keyId']}")
    key_id, user_id, secret = good.removeprefix("dk_").split("_", 2)
    assert user_id == ids[0]
    ways: list[Callable[[], str]] = [
        lambda: f"dk_{key_id}_{user_id}_{token_urlsafe(32)}",
        lambda: f"dk_{key_id}_{ids[1]}_{secret}",
        lambda: f"dk_{key_id}_{new_id()}_{secret}",
        lambda: f"dk_{new_id()}_{user_id}_{secret}",
        lambda: good[:-1],
        lambda: revoked["key"],
    ]
    answers, injected = set(), 0
    for number in range(times):
        with recorded() as calls:
            answer = Api(nobody.client, ways[number % len(ways)]()).call("GET", "/api/projects")
        document = answer.json
        answers.add((answer.status, document["code"], document["detail"], document["hint"]))
        assert calls.total() <= 1
        assert all(each.rpartition(".")[2] in READS for each in calls)
        injected += 1
    assert len(answers) == 1
    assert next(iter(answers))[:2] == (401, "unauthenticated")
    assert Api(nobody.client, good).call("GET", "/api/projects").status == 200
    assert injected == times


@pytest.mark.injects(
    "API keys made at the same moment, by a user who may have 20",
    times=40,
    soak=400,
    outcome="20 keys, which all work, and 409 for the others",
)
def test_no_rush_makes_more_keys_than_allowed(nobody: Api, times: int) -> None:
    """However many are made at once, exactly as many remain as a user may have."""
    api = nobody.register()
    services = bootstrap.services()
    user = services.access.admit(f"Bearer {api.token}").user

    def make(_: int) -> str | None:
        try:
            return services.api_keys.make(user, "k", ["read"], None)[1]
        except ConflictError:
            return None

    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(make, range(times)))
    keys = [each for each in made if each]
    assert (len(made), len(keys)) == (times, MOST_KEYS)
    assert len(api.call("GET", KEYS).json["items"]) == MOST_KEYS
    assert all(Api(nobody.client, each).call("GET", "/api/users/me").status == 200 for each in keys)


@pytest.mark.injects(
    "an API key revoked while twenty threads use it",
    times=5,
    soak=200,
    outcome="no request that began after the answer to the revocation gets in",
)
def test_a_revoked_key_ends_at_once_for_everybody(nobody: Api, times: int) -> None:
    """The row that says so is read with every request, by every function."""
    api = nobody.register()
    access, register = bootstrap.services().access, bootstrap.services().api_keys
    user = access.admit(f"Bearer {api.token}").user
    until = datetime.now(UTC) + timedelta(days=1)
    injected = 0
    for _ in range(times):
        kept, key = register.make(user, "k", ["read"], until)
        is_revoked = False

        def use(_: int, key: str = key) -> tuple[bool, bool]:
            began_after = is_revoked  # noqa: B023 - what it is at this moment is the question
            try:
                access.admit(f"Bearer {key}", scope="read")
            except UnauthenticatedError:
                return began_after, False
            return began_after, True

        with ThreadPoolExecutor(20) as pool:
            uses = [pool.submit(use, number) for number in range(20)]
            register.revoke(access.admit(f"Bearer {api.token}").user, kept.key_id)
            is_revoked = True
            uses += [pool.submit(use, number) for number in range(20)]
        seen = [each.result() for each in uses]
        assert (True, True) not in seen
        assert (True, False) in seen
        injected += 1
    assert injected == times
