"""Who is let in."""

from dataclasses import replace

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.errors import NotFoundError, UnauthenticatedError
from chalicelib.services.account_ports import AccessClaims, RefreshClaims
from tests.fakes import fake_ports
from tests.support import NOW, make_project, make_session, make_user, new_id


class World:
    """A user with a project and a session, and a token."""

    def __init__(self) -> None:
        self.ports = fake_ports()
        self.user = make_user()
        self.project = make_project(user_id=self.user.user_id)
        self.session = make_session(self.project.project_id)
        self.ports.users.add(self.user)
        self.ports.projects.add(self.project)
        self.ports.sessions.add(self.session)
        self.token = self.ports.tokens.access(AccessClaims(self.user.user_id, 1))

    def admit(self, project_id: str | None = None, session_id: str | None = None, header: str | None = None):
        access = assemble(self.ports).access
        return access.admit(header or f"Bearer {self.token}", project_id, session_id)


@pytest.fixture
def world() -> World:
    return World()


def test_the_owner_is_let_in(world):
    """With a token the user, the project and the session are there to be used."""
    admitted = world.admit(world.project.project_id, world.session.session_id)
    assert (admitted.user, admitted.project, admitted.session) == (world.user, world.project, world.session)
    assert world.admit(header=f"bearer {world.token}").user == world.user


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic {}", "{}", "Bearer x{}", "Bearer  {}"])
def test_other_headers_are_refused(world, header):
    """No token, another scheme and a token that nobody gave are all 401."""
    with pytest.raises(UnauthenticatedError):
        world.admit(header=header.format(world.token))
    with pytest.raises(UnauthenticatedError):
        assemble(world.ports).access.admit(None)


def test_an_expired_token_is_refused(world):
    """A token works until its last second, and not from then on."""
    world.ports.clock.advance(seconds=899)
    assert world.admit()
    world.ports.clock.advance(seconds=1)
    with pytest.raises(UnauthenticatedError):
        world.admit()


def test_a_refresh_token_is_no_access_token(world):
    """A refresh token opens nothing."""
    refresh = world.ports.tokens.refresh(RefreshClaims(world.user.user_id, 1, new_id(), new_id()))
    with pytest.raises(UnauthenticatedError):
        world.admit(header=f"Bearer {refresh}")


def test_tokens_end_with_all_logins(world):
    """A token of an earlier version, or of a user who is gone, no longer works."""
    world.ports.users.end_all_logins(world.user.user_id, 1)
    with pytest.raises(UnauthenticatedError):
        world.admit()
    world.ports.users.rows.clear()
    with pytest.raises(UnauthenticatedError):
        world.admit()


def test_what_is_not_yours_is_not_there(world):
    """An unknown, a foreign and a deleted project give one and the same answer."""
    foreign = make_project()
    world.ports.projects.add(foreign)
    world.ports.projects.rows["deleted"] = world.project
    deleted = replace(world.project, project_id=new_id(), deleted_at=NOW)
    world.ports.projects.add(deleted)
    answers = set()
    for project_id in (new_id(), foreign.project_id, deleted.project_id, "", "../x", "deleted"):
        with pytest.raises(NotFoundError) as refused:
            world.admit(project_id)
        answers.add((refused.value.code, refused.value.detail))
    assert len(answers) == 1


def test_a_session_is_found_in_its_own_project_only(world):
    """A session of another project, an unknown one and one with a foreign project are all 404."""
    other = make_project(user_id=world.user.user_id)
    foreign = make_project()
    foreign_session = make_session(foreign.project_id)
    world.ports.projects.add(other)
    world.ports.projects.add(foreign)
    world.ports.sessions.add(foreign_session)
    for project_id, session_id in (
        (other.project_id, world.session.session_id),
        (world.project.project_id, new_id()),
        (world.project.project_id, "not-an-id"),
        (foreign.project_id, foreign_session.session_id),
    ):
        with pytest.raises(NotFoundError):
            world.admit(project_id, session_id)
