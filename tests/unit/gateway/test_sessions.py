"""Who may link to a session that lives here."""

from structlog.testing import capture_logs

from frazil.gateway.close_codes import CloseCode
from frazil.gateway.sessions import (
    PIECE_FIRST_BYTES,
    PIECE_LEAST_BYTES,
    PIECE_MOST_BYTES,
    TOLD_KEPT,
    LiveSession,
    LiveSessions,
)
from frazil.model.policy import Policy

OPEN = Policy()
MUTE = Policy(sound=False)


class Recorder:
    """A link that keeps how it was cut; only the first counts, as with a real one."""

    def __init__(self) -> None:
        self.code: CloseCode | None = None
        self.changes: list[Policy] = []

    def change(self, policy: Policy) -> None:
        self.changes.append(policy)

    def cut(self, code: CloseCode, reason: str) -> None:
        self.code = self.code or code


def opened(
    sessions: LiveSessions,
    session_id: str,
    ticket: bytes,
    main: Recorder,
    *,
    policy: Policy = OPEN,
    version: int = 1,
    host_id: str = "h",
) -> LiveSession:
    return sessions.open(session_id, ticket, main, policy=policy, policy_version=version, host_id=host_id)


def test_only_the_opening_ticket_is_known_and_it_is_not_kept() -> None:
    sessions = LiveSessions()
    session = opened(sessions, "s", b"ticket", Recorder())
    assert session.knows(b"ticket")
    assert not session.knows(b"ticke")
    assert not session.knows(b"")
    assert b"ticket" not in session.ticket_hash


def test_others_go_with_main() -> None:
    sessions, main, other = LiveSessions(), Recorder(), Recorder()
    session = opened(sessions, "s", b"t", main)
    session.others.add(other)
    assert sessions.close(session)
    assert other.code is CloseCode.MAIN_GONE
    assert sessions.get("s") is None


def test_a_newer_main_link_replaces_the_older_one() -> None:
    sessions, old, other, new = LiveSessions(), Recorder(), Recorder(), Recorder()
    first = opened(sessions, "s", b"1", old)
    first.others.add(other)
    second = opened(sessions, "s", b"2", new)
    assert old.code is other.code is CloseCode.REPLACED
    assert new.code is None
    assert not sessions.close(first)
    assert sessions.get("s") is second


def test_a_revocation_holds_for_a_link_that_is_just_being_made() -> None:
    sessions, late = LiveSessions(), Recorder()
    assert not sessions.revoke("s", "over")
    opened(sessions, "s", b"t", late)
    assert late.code is CloseCode.ENDED


def test_a_revocation_cuts_every_link_and_no_other_session() -> None:
    sessions, main, other, stranger = LiveSessions(), Recorder(), Recorder(), Recorder()
    opened(sessions, "s", b"t", main).others.add(other)
    opened(sessions, "z", b"t", stranger)
    assert sessions.revoke("s", "over")
    assert main.code is other.code is CloseCode.ENDED
    assert stranger.code is None
    assert len(sessions) == 2


def test_revocations_are_not_kept_for_ever() -> None:
    sessions, link = LiveSessions(), Recorder()
    for number in range(TOLD_KEPT + 1):
        sessions.revoke(str(number), "over")
    opened(sessions, "0", b"t", link)
    assert link.code is None


def test_open_links_hear_of_another_policy_once() -> None:
    sessions = LiveSessions()
    main, other = Recorder(), Recorder()
    session = opened(sessions, "s", b"t", main)
    session.others.add(other)
    sessions.change_policy("s", MUTE, 2)
    sessions.change_policy("s", MUTE, 3)
    sessions.change_policy("s", OPEN, 2)
    assert main.changes == other.changes == [MUTE]


class Broken(Recorder):
    """A link with a bug."""

    def change(self, policy: Policy) -> None:
        raise RuntimeError


def test_a_link_that_can_not_follow_a_policy_ends_alone() -> None:
    sessions = LiveSessions()
    main, broken, another = Recorder(), Broken(), Recorder()
    session = opened(sessions, "s", b"t", main)
    session.others |= {broken, another}
    with capture_logs() as logs:
        assert sessions.change_policy("s", MUTE, 2)
    assert main.changes == another.changes == [MUTE]
    assert (main.code, broken.code, another.code) == (None, CloseCode.UNAVAILABLE, None)
    assert [entry["event"] for entry in logs] == ["gateway.bug"]


def test_a_policy_that_changes_while_the_link_is_being_made_holds() -> None:
    sessions = LiveSessions()
    assert not sessions.change_policy("s", MUTE, 2)
    assert opened(sessions, "s", b"t", Recorder(), version=1).policy == MUTE


def test_a_policy_of_before_the_ticket_does_not_hold() -> None:
    sessions = LiveSessions()
    sessions.change_policy("s", Policy(), 1)
    assert opened(sessions, "s", b"t", Recorder(), policy=MUTE, version=2).policy == MUTE


def test_the_newest_policy_holds_whichever_way_it_came() -> None:
    sessions = LiveSessions()
    session = opened(sessions, "s", b"t", Recorder())
    stranger = opened(sessions, "z", b"t", Recorder())
    assert sessions.change_policy("s", MUTE, 3)
    assert not sessions.change_policy("s", MUTE, 3)
    assert not sessions.change_policy("s", Policy(), 2)
    assert (session.policy, stranger.policy) == (MUTE, Policy())
    assert sessions.change_policy("s", Policy(), 4)
    assert session.policy == Policy()


def test_a_piece_is_three_milliseconds_of_the_line() -> None:
    session = opened(LiveSessions(), "s", b"t", Recorder())
    assert session.piece_bytes == PIECE_FIRST_BYTES, "nothing is known"
    for mbit, size in ((1, PIECE_LEAST_BYTES), (10, 3750), (50, 18750), (1000, PIECE_MOST_BYTES)):
        session.rate_bits_per_s = mbit * 1e6
        assert session.piece_bytes == size


def test_links_to_a_host_that_was_revoked_are_cut_and_may_come_again() -> None:
    sessions, links = LiveSessions(), [Recorder() for _ in range(4)]
    there = opened(sessions, "there", b"t", links[0], host_id="revoked")
    there.others.add(links[1])
    opened(sessions, "here", b"t", links[2], host_id="trusted")
    assert sessions.cut_host("revoked") == 1
    assert [link.code for link in links[:3]] == [CloseCode.BACKEND_GONE, CloseCode.BACKEND_GONE, None]
    sessions.close(there)
    opened(sessions, "there", b"t", links[3], host_id="revoked")
    assert links[3].code is None
