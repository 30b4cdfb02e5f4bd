"""What a form has just done, said on the page that follows it. The address carries a code, never words."""

from __future__ import annotations

from frazil.controller.portal.marking import N_

DID: dict[str, str] = {
    "assigned": N_("The desktop is theirs from now on."),
    "desktop-start": N_("The desktop is being started."),
    "desktop-restart": N_("The desktop is shutting down, and starts again then."),
    "desktop-stop": N_("The desktop's power is being cut."),
    "desktop-shutdown": N_("The desktop was asked to shut down."),
    "desktop-pause": N_("The desktop is being paused."),
    "desktop-retry": N_("The desktop is being started once more."),
    "desktop-delete": N_("The desktop is being deleted."),
    "desktop-kept": N_("The desktop was deleted. It can be restored from the deleted desktops."),
    "desktop-restored": N_("The desktop was restored. It is shut down until it is opened."),
    "granted": N_("They may use the pool from now on."),
    "revoked": N_("They may not use the pool any more."),
    "group-added": N_("The group was added. Say now who is in it."),
    "group-changed": N_("The group was changed."),
    "group-deleted": N_("The group was deleted."),
    "group-joined": N_("They are in the group from now on."),
    "group-left": N_("They are not in the group any more."),
    "host-maintained": N_("The host takes no new desktops. What is still there is told below."),
    "host-labelled": N_("The labels were changed. New desktops follow them."),
    "host-takes-desktops": N_("Maintenance has ended: the host takes desktops again."),
    "image-building": N_("The image is being built. This takes some minutes."),
    "image-importing": N_("The file is being imported."),
    "image-retry": N_("The image is being made once more."),
    "image-deleted": N_("The image is being deleted."),
    "password": N_("The password was changed."),
    "pool-made": N_("The pool was made. Say now who may use it."),
    "pool-changed": N_("The pool was changed."),
    "pool-deleted": N_("The pool is being deleted; its desktops go first."),
    "policy-changed": N_("What may pass was changed, for open sessions too."),
    "quota-changed": N_("How much may be used was changed. It holds for what is asked for from now on."),
    "role-changed": N_("The role was changed. It holds from now on."),
    "session-of-other-ended": N_("The session was ended, and its desktop given back."),
    "session-ended": N_("The desktop was given back."),
    "token-deleted": N_("The token was deleted."),
    "user-added": N_("The user was added."),
    "user-deleted": N_("The user was deleted."),
}
