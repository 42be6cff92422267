"""Registering, logging in and out."""

import pytest

from chalicelib.bootstrap import Services, assemble
from chalicelib.contract.errors import ConflictError, UnauthenticatedError, UnprocessableError
from tests.fakes import fake_ports

HOME = "192.0.2.1"


@pytest.fixture
def ports():
    return fake_ports()


@pytest.fixture
def services(ports) -> Services:
    made = assemble(ports)
    made.accounts.register("jo", "Jo@example.org", "secret")
    return made


def _refused(call) -> str:
    with pytest.raises(UnauthenticatedError) as refused:
        call()
    return refused.value.code


def test_a_password_is_kept_as_its_hash(services, ports):
    """The stored user has the hash of the password, and names as they were typed."""
    [user] = ports.users.rows.values()
    assert (user.username, user.email, user.password_hash) == ("jo", "Jo@example.org", "hash of secret")


def test_a_taken_name_is_refused(services):
    """Nobody else gets a name that somebody has."""
    with pytest.raises(ConflictError):
        services.accounts.register("JO", "other@example.org", "secret")


@pytest.mark.parametrize("login", ["jo", "JO", "jo@EXAMPLE.org"])
def test_either_login_gives_tokens_that_work(services, ports, login):
    """By name or by address, the access token admits the user."""
    given = services.accounts.log_in(login, "secret", HOME)
    assert services.access.admit(f"Bearer {given.access_token}").user.username == "jo"
    assert given.expires_in == ports.tokens.access_seconds


def test_a_wrong_password_and_an_unknown_user_look_alike(services, ports):
    """Both get the same answer, and cost the same work."""
    answers, costs = set(), set()
    for login in ("jo", "nobody", "nobody@example.org"):
        before = ports.hasher.hashings
        answers.add(_refused(lambda login=login: services.accounts.log_in(login, "wrong", HOME)))
        costs.add(ports.hasher.hashings - before)
    assert answers == {"wrong-credentials"}
    assert costs == {1}


def test_an_unknown_user_has_no_password(services):
    """Not even the empty password opens a login that isn't there."""
    assert _refused(lambda: services.accounts.log_in("nobody", "", HOME)) == "wrong-credentials"


def test_a_refresh_token_works_once(services):
    """Each refresh gives the next token, and the chain goes on from the newest."""
    login = services.accounts.log_in("jo", "secret", HOME)
    for _ in range(3):
        login = services.accounts.refresh(login.refresh_token)
    assert services.access.admit(f"Bearer {login.access_token}").user.username == "jo"


def test_a_second_use_of_a_refresh_token_ends_the_login(services):
    """After a reuse not even the newest token works, and other logins of the user still do."""
    other = services.accounts.log_in("jo", "secret", HOME)
    stolen = services.accounts.log_in("jo", "secret", HOME)
    newest = services.accounts.refresh(stolen.refresh_token)
    assert _refused(lambda: services.accounts.refresh(stolen.refresh_token)) == "refresh-token-reused"
    assert _refused(lambda: services.accounts.refresh(newest.refresh_token)) == "refresh-token-reused"
    assert services.accounts.refresh(other.refresh_token)


def test_logging_out_ends_one_login(services):
    """The login's refresh token stops working; another login goes on."""
    first, second = (services.accounts.log_in("jo", "secret", HOME) for _ in range(2))
    services.accounts.log_out(first.refresh_token, everywhere=False)
    assert _refused(lambda: services.accounts.refresh(first.refresh_token))
    assert services.accounts.refresh(second.refresh_token)


def test_logging_out_everywhere_ends_all_tokens(services):
    """Every refresh and access token of the user stops working; a new login works."""
    first, second = (services.accounts.log_in("jo", "secret", HOME) for _ in range(2))
    services.accounts.log_out(first.refresh_token, everywhere=True)
    assert _refused(lambda: services.accounts.refresh(second.refresh_token))
    assert _refused(lambda: services.access.admit(f"Bearer {second.access_token}"))
    again = services.accounts.log_in("jo", "secret", HOME)
    assert services.access.admit(f"Bearer {again.access_token}")


def test_an_access_token_refreshes_nothing(services):
    """Only a refresh token can be exchanged, or used to log out."""
    login = services.accounts.log_in("jo", "secret", HOME)
    assert _refused(lambda: services.accounts.refresh(login.access_token))
    assert _refused(lambda: services.accounts.log_out(login.access_token, everywhere=True))


def test_a_refresh_token_expires(services, ports):
    """After 30 days a login is over; its row says so to the table's time to live."""
    login = services.accounts.log_in("jo", "secret", HOME)
    [row] = ports.users.logins.values()
    assert row.expires_at == int(ports.clock.now().timestamp()) + ports.tokens.refresh_seconds
    ports.clock.advance(days=30)
    assert _refused(lambda: services.accounts.refresh(login.refresh_token))


@pytest.mark.parametrize("password", ["password1", "PASSWORD1", "Ｐassword1", "JO", "jo@Example.org"])
def test_a_password_that_everybody_tries_is_refused(services, ports, password):
    """In any case and width, and so are the user's own names; nobody is added, and none changed."""
    before = dict(ports.users.rows)
    for call in (
        lambda: services.accounts.register("jo", "jo@example.org", password),
        lambda: services.accounts.change_password(_user(ports), "secret", password, HOME),
    ):
        with pytest.raises(UnprocessableError) as refused:
            call()
        assert refused.value.code == "common-password"
    assert ports.users.rows == before


def _user(ports):
    [user] = ports.users.rows.values()
    return user


def test_a_changed_password_ends_every_login(services, ports):
    """All tokens of before are refused, the answer's work, and only the new password logs in."""
    before = [services.accounts.log_in("jo", "secret", HOME) for _ in range(3)]
    given = services.accounts.change_password(_user(ports), "secret", "another", HOME)
    for login in before:
        assert _refused(lambda login=login: services.access.admit(f"Bearer {login.access_token}"))
        assert _refused(lambda login=login: services.accounts.refresh(login.refresh_token))
    assert services.access.admit(f"Bearer {given.access_token}").user.password_hash == "hash of another"
    assert services.accounts.refresh(given.refresh_token)
    assert _refused(lambda: services.accounts.log_in("jo", "secret", HOME)) == "wrong-credentials"
    assert services.accounts.log_in("jo", "another", HOME)
    assert ports.telemetry.counts["PasswordsChanged"] == 1


def test_a_wrong_current_password_changes_nothing(services, ports):
    """The answer points at the field, and every login goes on."""
    login, before = services.accounts.log_in("jo", "secret", HOME), _user(ports)
    with pytest.raises(UnprocessableError) as refused:
        services.accounts.change_password(before, "wrong", "another", HOME)
    assert refused.value.errors[0].pointer == "/currentPassword"
    assert _user(ports) == before
    assert services.accounts.refresh(login.refresh_token)


def test_two_changes_from_one_reading_are_one(services, ports):
    """Of two changes at one moment the second is told that its login has ended."""
    read = _user(ports)
    services.accounts.change_password(read, "secret", "another", HOME)
    with pytest.raises(UnauthenticatedError):
        services.accounts.change_password(read, "secret", "a third", HOME)
    assert _user(ports).password_hash == "hash of another"


def test_a_reuse_is_counted_and_a_token_after_logging_out_is_not(services, ports):
    """The metric is of tokens that two have, not of logins that are over."""
    ended, stolen = (services.accounts.log_in("jo", "secret", HOME) for _ in range(2))
    services.accounts.log_out(ended.refresh_token, everywhere=False)
    assert _refused(lambda: services.accounts.refresh(ended.refresh_token))
    assert "RefreshTokensReused" not in ports.telemetry.counts
    services.accounts.refresh(stolen.refresh_token)
    assert _refused(lambda: services.accounts.refresh(stolen.refresh_token))
    assert ports.telemetry.counts["RefreshTokensReused"] == 1


def test_a_token_of_before_ends_nothing_more(services):
    """Whoever has a copy of a token that is over can't log its owner out everywhere."""
    old = services.accounts.log_in("jo", "secret", HOME)
    services.accounts.log_out(old.refresh_token, everywhere=True)
    new = services.accounts.log_in("jo", "secret", HOME)
    services.accounts.log_out(old.refresh_token, everywhere=True)
    assert services.access.admit(f"Bearer {new.access_token}")
    assert services.accounts.refresh(new.refresh_token)


def test_a_refresh_whose_answer_was_lost_inside_is_no_reuse(services, ports, monkeypatch):
    """The SDK asks again after a lost answer, and finds its own write: the login goes on."""
    login, rotate = services.accounts.log_in("jo", "secret", HOME), ports.users.rotate_login
    monkeypatch.setattr(ports.users, "rotate_login", lambda *args: rotate(*args) and rotate(*args))
    given = services.accounts.refresh(login.refresh_token)
    monkeypatch.undo()
    assert services.accounts.refresh(given.refresh_token)
    assert "RefreshTokensReused" not in ports.telemetry.counts
