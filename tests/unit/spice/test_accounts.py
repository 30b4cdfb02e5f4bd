"""ACK windows and agent tokens with somebody in the middle. The other sides keep accounts of their own here."""

from collections import deque
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from frazil.spice.ack_window import AckWindow
from frazil.spice.agent_tokens import UNLIMITED, TokenAccount


@dataclass
class Server:
    """As spice-server's `RedChannelClient`: stops at twice the window, and its counter must not go below 0."""

    window: int
    generation: int = 0
    client_generation: int = -1
    unacknowledged: int = 0

    @property
    def stalled(self) -> bool:
        return self.unacknowledged > 2 * self.window

    def set_ack(self, window: int) -> None:
        self.generation, self.window = self.generation + 1, window
        self.unacknowledged = 1  # SET_ACK itself counts.

    def take(self, acks: int) -> None:
        if self.client_generation == self.generation:
            self.unacknowledged -= acks * self.window
            assert self.unacknowledged >= 0, "The server's counter went below 0."


@dataclass
class Client:
    """As spice-gtk's `SpiceChannel`: says ACK for each `window` messages."""

    window: int = 0
    left: int = 0

    def set_ack(self, window: int) -> None:
        self.window = self.left = window

    def get(self) -> bool:
        if not self.left:
            return False
        self.left -= 1
        if self.left:
            return False
        self.left = self.window
        return True


@dataclass
class Line:
    """Server, account and client; what is on the way to the client waits in `way`: a SET_ACK or a message."""

    server: Server = field(default_factory=lambda: Server(0))
    account: AckWindow = field(default_factory=AckWindow)
    client: Client = field(default_factory=Client)
    way: deque[tuple[int, int] | None] = field(default_factory=deque)

    def set_ack(self, window: int) -> None:
        self.server.set_ack(window)
        self.account.set_ack(generation=self.server.generation, window=window)
        self.way.append((self.server.generation, window))

    def send(self, *, drop: bool) -> None:
        self.server.unacknowledged += 1
        if drop:
            self.server.take(self.account.dropped())
        else:
            self.way.append(None)

    def add(self) -> None:
        self.account.added()
        self.way.append(None)

    def read(self) -> None:
        """The client handles what comes next. Like spice-gtk, it counts a message before it looks into it."""
        head = self.way.popleft()
        if self.client.get():
            self.server.take(self.account.ack())
        if head is not None:
            self.client.set_ack(head[1])
            self.server.client_generation = head[0]
            self.server.take(self.account.ack_sync(generation=head[0]))


STEPS = st.lists(st.one_of(st.sampled_from(["pass", "drop", "add", "read"]), st.integers(1, 40)), max_size=300)


@given(st.integers(1, 40), STEPS)
def test_the_server_never_stalls_for_good_and_is_never_told_too_much(window: int, steps: list[str | int]) -> None:
    line = Line()
    line.set_ack(window)
    for step in steps:
        if isinstance(step, int):
            line.set_ack(step)
        elif step == "add":
            line.add()
        elif step == "read":
            if line.way:
                line.read()
        elif not line.server.stalled:
            line.send(drop=step == "drop")
    while line.way:
        line.read()
    assert not line.server.stalled


def test_nothing_stalls_over_thousands_of_messages() -> None:
    line = Line()
    line.set_ack(20)
    for turn in range(20_000):
        line.send(drop=turn % 3 == 0)
        if turn % 50 == 1:
            line.add()
        while line.server.stalled:
            assert line.way, "The server waits for an ACK that nobody owes it."
            line.read()


def test_without_a_window_everything_goes_by() -> None:
    account = AckWindow()
    assert account.dropped() == 0
    account.added()
    assert account.ack() == 1
    assert account.window == 0


def test_a_new_generation_begins_anew_and_old_acks_go_by() -> None:
    account = AckWindow()
    account.set_ack(generation=1, window=4)
    assert account.ack_sync(generation=1) == 0
    assert [account.dropped() for _ in range(4)] == [0, 0, 0, 1]
    account.set_ack(generation=2, window=2)
    assert account.ack() == 1
    assert [account.dropped() for _ in range(5)] == [0] * 5
    assert account.ack_sync(generation=2) == 2
    assert account.dropped() == 1
    assert account.window == 2


TOKEN_STEPS = st.lists(st.sampled_from(["send", "drop", "add", "grant"]), max_size=400)


@given(st.integers(0, 3), st.integers(0, 20), TOKEN_STEPS)
def test_tokens_are_neither_lost_nor_made(reserve: int, first: int, steps: list[str]) -> None:
    account = TokenAccount(reserve=reserve)
    sender, receiver = account.reset(first), first  # What each side believes.
    for step in steps:
        if step == "grant":
            receiver += 1
            account.granted(1)
            sender += account.surplus()
        elif step == "add":
            if account.add():
                receiver -= 1
        elif sender:
            sender -= 1
            assert account.sent()
            if step == "drop":
                account.dropped()
                sender += account.surplus()
            else:
                receiver -= 1
        elif not account.spare:
            assert not account.sent()
        assert receiver >= 0, "The receiver got a message without a token."
        assert (sender, receiver - sender) == (account.told, account.spare)
        assert account.spare <= max(reserve, 0)


def test_a_sender_whose_messages_are_all_dropped_never_waits() -> None:
    account = TokenAccount(reserve=1)
    sender = account.reset(10)
    assert sender == 9
    for _ in range(5000):
        assert sender
        sender -= 1
        assert account.sent()
        account.dropped()
        sender += account.surplus()


def test_unlimited_stays_unlimited() -> None:
    account = TokenAccount(reserve=1)
    assert account.reset(UNLIMITED) == UNLIMITED
    assert account.sent()
    account.dropped()
    assert account.surplus() == 0
    assert account.add()
    account.granted(3)
    assert account.surplus() == 0
    assert account.unlimited
    assert (account.spare, account.told) == (UNLIMITED, UNLIMITED)
