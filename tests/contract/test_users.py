"""Users and their logins, in the fake and in DynamoDB alike."""

from dataclasses import replace

import pytest

from chalicelib.contract.errors import ConflictError
from chalicelib.contract.records import RefreshToken
from tests.support import make_project, make_session, make_user, new_id


def _login(token_id: str, family: str) -> RefreshToken:
    return RefreshToken(user_id=family, owner_id=new_id(), token_id=token_id, expires_at=2_000_000_000)


def test_a_user_is_found_by_id_and_by_either_login(ports):
    """A user is found by id, and by username or email address in whatever case."""
    user = make_user(username=f"Jörg{new_id()}", email=f"Jo{new_id()}@Example.org")
    ports.users.add(user)
    assert ports.users.get(user.user_id) == user
    assert ports.users.get_by_login(user.username.upper()) == user
    assert ports.users.get_by_login(user.email.upper()) == user


def test_an_unknown_user_is_nobody(ports):
    """Neither an unknown id nor an unknown login finds a user."""
    assert ports.users.get(new_id()) is None
    assert ports.users.get_by_login("nobody") is None
    assert ports.users.get_by_login("nobody@example.org") is None


@pytest.mark.parametrize(("field", "code"), [("username", "username-taken"), ("email", "email-taken")])
def test_a_taken_name_is_refused_in_any_case_and_leaves_nothing(ports, field, code):
    """A username or email address that differs by case only is taken, and the other one stays free."""
    first, second = make_user(), make_user()
    ports.users.add(first)
    with pytest.raises(ConflictError) as refused:
        ports.users.add(replace(second, **{field: getattr(first, field).swapcase()}))
    assert refused.value.code == code
    assert ports.users.get(second.user_id) is None
    ports.users.add(second)
    assert ports.users.get_by_login(second.email) == second


def test_ending_all_logins_raises_the_token_version_once(ports):
    """The token version grows by one, and not again from the same; an unknown user stays unknown."""
    user = make_user()
    ports.users.add(user)
    for _ in range(2):
        ports.users.end_all_logins(user.user_id, 1)
    assert ports.users.get(user.user_id).token_version == 2
    unknown = new_id()
    ports.users.end_all_logins(unknown, 1)
    assert ports.users.get(unknown) is None


def test_a_password_changes_once_from_what_was_read(ports):
    """A change raises the token version; another from the same reading, or of an unknown user, is none."""
    user = make_user()
    ports.users.add(user)
    changed = ports.users.change_password(user, "new hash")
    assert changed == replace(user, password_hash="new hash", token_version=2)
    assert ports.users.get(user.user_id) == changed
    assert ports.users.change_password(user, "other hash") is None
    assert ports.users.change_password(replace(changed, token_version=1), "other hash") is None
    assert ports.users.change_password(replace(changed, password_hash="x"), "other hash") is None
    assert ports.users.get(user.user_id) == changed
    assert ports.users.change_password(make_user(), "hash") is None


def test_a_name_that_folds_into_more_than_a_key_takes_is_found(ports):
    """A character may fold into eighteen: such an address is taken, and an unknown one is nobody's."""
    long = "\ufdfa" * 200
    user = make_user(email=f"{long}{new_id()}@example.org")
    ports.users.add(user)
    assert ports.users.get_by_login(user.email) == user
    assert ports.users.get_by_login(f"{long}@example.org") is None
    assert ports.users.get_by_login(long) is None
    with pytest.raises(ConflictError):
        ports.users.add(make_user(email=user.email))


def test_the_newest_token_of_a_login_can_be_seen(ports):
    """A login's row is what was written last; an ended or unknown login has none."""
    family = new_id()
    assert ports.users.get_login(family) is None
    ports.users.add_login(_login("a", family))
    newest = _login("b", family)
    ports.users.rotate_login(family, "a", newest)
    assert ports.users.get_login(family) == newest
    ports.users.end_login(family)
    assert ports.users.get_login(family) is None


def test_a_login_rotates_once_from_each_token(ports):
    """Only the newest token of a login can be exchanged, and only once."""
    family = new_id()
    ports.users.add_login(_login("a", family))
    assert ports.users.rotate_login(family, "a", _login("b", family))
    assert not ports.users.rotate_login(family, "a", _login("c", family))
    assert ports.users.rotate_login(family, "b", _login("c", family))


def test_an_ended_login_does_not_rotate(ports):
    """A login that has ended, or never was, can't be exchanged; ending it again is nothing."""
    family = new_id()
    ports.users.add_login(_login("a", family))
    ports.users.end_login(family)
    ports.users.end_login(family)
    assert not ports.users.rotate_login(family, "a", _login("b", family))
    assert not ports.users.rotate_login(new_id(), "a", _login("b", family))


def test_a_request_is_admitted_with_what_is_there(ports):
    """One read finds the user, the project and the session that exist, and None for the others."""
    user, project = make_user(), make_project()
    session = make_session(project.project_id)
    ports.users.add(user)
    ports.projects.add(project)
    ports.sessions.add(session)
    read = ports.admission_reader.read
    whole = read(user.user_id, project.project_id, session.session_id)
    assert (whole.user, whole.project, whole.session) == (user, project, session)
    assert read(user.user_id, None, None).project is None
    assert read(user.user_id, project.project_id, new_id()).session is None
    assert read(user.user_id, new_id(), session.session_id).session is None
    assert read(new_id(), None, None).user is None
