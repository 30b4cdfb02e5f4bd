"""What a person does at a desktop, for load tests: opens programs in their own session, writes, computes, reads.

Runs by the guest agent as the person, in the environment of their session; keys are pressed through SPICE.
"""

from __future__ import annotations

import base64

from tests.harness.guests import Guests, Ran
from tests.harness.waiting import until

AS_PERSON = """
grep -q '"ready": "' /run/frazil-guest/state.json || exit 9
panel=$(pgrep -o -x tint2 || pgrep -o -x xfce4-panel) || exit 9
user=$(stat -c %U /proc/$panel)
as_person() {
    setsid runuser -u "$user" -- env - $(tr '\\0' '\\n' < /proc/$panel/environ |
        grep -E '^(DISPLAY|XAUTHORITY|HOME|USER|LOGNAME|PATH|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS)=') "$@"
}
left_open() {
    (exec </dev/null >/dev/null 2>&1; as_person "$@") &
}
"""
"""sh: defines `as_person COMMAND…` and `left_open COMMAND…`; ends with 9 while no panel is on the screen.

`exec` closes the agent's pipes for good: a redirection of the call would leave them open in the waiting shell, and
the agent waits for their end.
"""

_TAKE = """: > /tmp/taken; chmod 666 /tmp/taken
as_person env LANG=C.UTF-8 xterm -xrm '*allowWindowOps: true' -e bash -c '
    stty raw -echo; printf "\\033]52;c;?\\007"; read -r -t 5 -d "$(printf "\\007")" answer
    printf %s "$answer" > /tmp/taken'
cat /tmp/taken"""
"""sh: xterm is asked for the clipboard, which it gives in base64 (OSC 52 of xterm's control sequences).

Where nobody owns the clipboard xterm 379 crashes: the answer is empty then.
"""
_PUT = """left_open env LANG=C.UTF-8 xterm -xrm '*allowWindowOps: true' -e sh -c '
    printf "\\033]52;c;%s\\007"; exec sleep 600'"""
"""sh: xterm owns what it copies for as long as it is open."""

FOLDER = "/run/frazil-folder/shared"
"""Where a desktop has the folder that its viewer shares."""

TERMINAL = AS_PERSON + "left_open xterm\n"

WORK = (
    AS_PERSON
    + """
as_person sh -c '
    cd; for n in $(seq 10); do seq $n 1000 > "Documents/list $n.txt"; done
    cat Documents/*.txt | sort -n | uniq -c > Documents/sum.txt
    dd if=/dev/urandom of=Downloads/file.bin bs=1M count=4 2>/dev/null
' || exit 8
"""
)
"""Files are written and sorted: minutes of a person in a few seconds."""
EDITOR = (
    AS_PERSON
    + """
test -s "/home/$user/Documents/sum.txt" || exit 7
left_open mousepad "/home/$user/Documents/sum.txt"
rested() {
    before=
    while read -r _ _ _ _ _ _ _ _ _ _ _ _ _ utime stime _ < "/proc/$editor/stat"; do
        [ "$utime $stime" = "$before" ] && return
        before="$utime $stime"
        sleep 1
    done
}
until editor=$(pgrep -n -x mousepad); do sleep 0.5; done
until rested && as_person icesh -a list 2>/dev/null | grep -q sum.txt; do sleep 0.5; done
"""
)
"""What `WORK` wrote is opened in the editor, which stays.

Nobody leaves before what they opened is there: the editor has come to rest (utime and stime of proc(5)) and a window
names it. Windows are listed only then, since that costs the guest more than a second. Without `-a`, icesh would wait
for a click on a window.
"""
WORK_DEADLINE_S = 300.0

NOBODY = """
set -e
test -z "$(loginctl --no-legend list-sessions)"
test -z "$(ls /home /run/user | grep -v : )"
test -z "$(grep -E '^[^:]*:[^:]*:1[0-9]{3}:' /etc/passwd)"
test -z "$(ls -a /home /tmp /var/tmp | grep -i frazil-warm)"
test -z "$(grep -s frazil-warm /etc/group /etc/shadow /etc/subuid /etc/subgid)"
test -z "$(find / -xdev -uid +1000 -not -user nobody)"
test -z "$(ps -eo uid= | awk '$1 > 1000')"
"""
"""sh: succeeds where nobody is or has ever been, not even for a trial: no session, account, home, file or process."""

EVIDENCE = """cat /run/frazil-guest/state.json; echo; loginctl --no-pager list-sessions; ps axf -o pid,stat,time,args
journalctl --no-pager --boot --lines 80; tail -n 40 /home/*/.xsession-errors /var/log/Xorg.*.log
"""


def evidence(guests: Guests, desktop_id: str) -> str:
    """What a guest says of itself, for who asks why a person is not served there."""
    try:
        return guests.run(desktop_id, "/bin/sh", "-c", EVIDENCE).stdout
    except AssertionError as exc:
        return f"The guest says nothing: {exc}"


def has_panel(guests: Guests, desktop_id: str) -> bool:
    """Whether a person's panel is on the screen, by what the guest service keeps."""
    return guests.run(desktop_id, "/bin/grep", "-q", '"ready": "', "/run/frazil-guest/state.json").code == 0


def in_session(guests: Guests, desktop_id: str, script: str) -> str:
    """What a script says in the guest; `as_person` and `left_open` in it put a program on the person's screen."""

    def tried() -> Ran | None:
        done = guests.run(desktop_id, "/bin/sh", "-c", AS_PERSON + script)
        return done if done.code != 9 else None

    done = until(tried, "the person's panel is up", timeout_s=120)
    assert done is not None
    assert done.code == 0, done
    return done.stdout


def sign_out(guests: Guests, desktop_id: str) -> None:
    """The person's session ends from inside. Nothing is waited for: with it their desktop may go."""
    script = AS_PERSON + 'loginctl terminate-user "$user"'
    guests.agent(desktop_id, "guest-exec", path="/bin/sh", arg=["-c", script])


def copied(guests: Guests, desktop_id: str) -> str:
    """The text that a program in the person's session is given when it pastes; empty when there is none."""
    answer = in_session(guests, desktop_id, _TAKE).rpartition(";")[2]
    return base64.b64decode(answer).decode()


def copy(guests: Guests, desktop_id: str, text: str) -> None:
    """Copy `text` in the person's session; a terminal owns it until `let_go`."""
    in_session(guests, desktop_id, _PUT.replace("%s", base64.b64encode(text.encode()).decode()))


def let_go(guests: Guests, desktop_id: str) -> None:
    """Close all terminals, and with them what was copied in one."""
    guests.run(desktop_id, "/usr/bin/pkill", "-x", "xterm")


def downloads(guests: Guests, desktop_id: str) -> list[str]:
    """The names of the files in the person's Downloads, where what is sent or dropped goes."""
    return in_session(guests, desktop_id, 'ls "/home/$user/Downloads"').splitlines()


def shared(guests: Guests, desktop_id: str, name: str) -> str:
    """What the person reads in a file of the folder that their viewer shares; empty when it is not there."""
    return in_session(guests, desktop_id, f"as_person cat {FOLDER}/{name} 2>/dev/null || true")


def has_sorted(guests: Guests, desktop_id: str) -> bool:
    """Whether the person's home has a file `sorted` with something in it."""
    return in_session(guests, desktop_id, 'wc -c < "/home/$user/sorted" 2>/dev/null || echo 0') != "0\n"


def usb_drives(guests: Guests, desktop_id: str) -> int:
    """How many drives of a native viewer's library are plugged in: vendor 2b23."""
    script = "cat /sys/bus/usb/devices/*/idVendor 2>/dev/null | grep -c 2b23"
    return int(guests.run(desktop_id, "/bin/sh", "-c", script).stdout)


def has_keys(guests: Guests, desktop_id: str) -> str:
    """The window that the person's keys go to, as icewm lists it; empty for none."""
    return in_session(guests, desktop_id, "as_person icesh -f list 2>/dev/null || true")


def terminal_has_keys(guests: Guests, desktop_id: str) -> bool:
    """Whether there is a shell, and the keys go to its terminal: each of both may come first."""
    script = "pgrep -x bash >/dev/null && as_person icesh -f list 2>/dev/null || true"
    return "(xterm.XTerm)" in in_session(guests, desktop_id, script)


def open_terminal(guests: Guests, desktop_id: str) -> None:
    """A terminal on the person's screen, which gets the keys."""
    _run(guests, desktop_id, TERMINAL)


def work(guests: Guests, desktop_id: str) -> None:
    """See `WORK`. AssertionError when it fails."""
    _run(guests, desktop_id, WORK)


def open_editor(guests: Guests, desktop_id: str) -> None:
    """See `EDITOR`. AssertionError when it fails."""
    _run(guests, desktop_id, EDITOR)


def _run(guests: Guests, desktop_id: str, script: str) -> None:
    done = guests.run(desktop_id, "/bin/sh", "-c", script, timeout_s=WORK_DEADLINE_S)
    assert done.code == 0, (done.code, done.stderr)
