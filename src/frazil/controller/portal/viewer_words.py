"""The words of the browser's viewer, which it takes from the page; ``web/src/strings.ts`` has the names."""

from __future__ import annotations

from frazil.controller.portal.marking import N_
from frazil.controller.portal.reader import Reader

VIEWER_WORDS: dict[str, str] = {
    "admitting": N_("Asking to be let in…"),
    "connecting": N_("Connecting to your desktop…"),
    "waitingForPicture": N_("Connected. Waiting for the first picture…"),
    "usually": N_("This usually takes {seconds} s."),
    "takesLonger": N_("This takes longer than usual."),
    "connected": N_("Connected."),
    "opening": N_("Opening your session…"),
    "notReady": N_("Your desktop is not ready yet."),
    "lost": N_("The connection was lost."),
    "lostDetail": N_("Your desktop goes on running; nothing in it is lost."),
    "retryIn": N_("Trying again in {seconds} s."),
    "retryNow": N_("Try now"),
    "ended": N_("This session has ended."),
    "endsSoon": N_("This session ends in {minutes} min. Save your work."),
    "endsNow": N_("This session ends in less than a minute. Save your work."),
    "idleSoon": N_("Nobody seems to be here: this session ends within a minute. Move the mouse to go on."),
    "endedDetail": N_("Go back to your desktops to open a new one."),
    "refused": N_("You may not open this desktop any more."),
    "refusedDetail": N_("Ask your administrator if you think that this is wrong."),
    "signedOut": N_("You are signed out."),
    "signedOutDetail": N_("Sign in again to go on; your desktop goes on running."),
    "elsewhere": N_("This desktop was opened in another window."),
    "elsewhereDetail": N_("Only one window at a time can show it."),
    "useHere": N_("Use it here"),
    "back": N_("Back to your desktops"),
    "signIn": N_("Sign in"),
    "reference": N_("Reference: {reference}"),
    "tools": N_("Desktop tools"),
    "showTools": N_("Show tools"),
    "hideTools": N_("Hide tools"),
    "fullScreen": N_("Full screen"),
    "leaveFullScreen": N_("Leave full screen"),
    "fit": N_("Fit to window"),
    "realSize": N_("Real size"),
    "keys": N_("Keys"),
    "ctrlAltDel": N_("Ctrl-Alt-Del"),
    "superKey": N_("Menu key"),
    "altTab": N_("Alt-Tab"),
    "printScreen": N_("Print screen"),
    "textConsole": N_("Text console"),
    "keyboard": N_("Keyboard"),
    "reconnect": N_("Reconnect"),
    "leave": N_("Leave"),
    "keyboardHere": N_("Your keyboard goes to the desktop. Ctrl-Alt-Shift gives it back."),
    "keyboardAway": N_("Click the desktop to type in it."),
    "screen": N_("Desktop"),
    "sendFiles": N_("Send files"),
    "dropFiles": N_("Drop files here to send them to the desktop's Downloads."),
    "sending": N_("Sending {name}…"),
    "sent": N_("{name} is in the desktop's Downloads."),
    "cancelled": N_("{name} was not sent."),
    "failed": N_("{name} could not be sent. Folders can't; with a file, try again."),
    "full": N_("The desktop has no room for {name}."),
    "forbidden": N_("{name} was not sent: files may not be sent to this desktop."),
    "unready": N_("{name} was not sent: the desktop is not ready for files yet. Try again in a moment."),
    "cancel": N_("Cancel"),
}


def viewer_strings(reader: Reader) -> dict[str, str]:
    """The viewer's words in the reader's language; ``{…}`` in them is filled in by the viewer."""
    return {name: reader.gettext(text) for name, text in VIEWER_WORDS.items()}
