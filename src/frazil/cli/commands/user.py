"""`frazil user …`."""

from __future__ import annotations

from typing import Annotated

import typer

from frazil.cli import output, password, policy
from frazil.cli.connection import connect
from frazil.cli.options import Json, PasswordStdin, group
from frazil.cli.validated import valid
from frazil.model.errors import InvalidInput
from frazil.model.policy import Policy
from frazil.wire.rest import PasswordRequest, Role, User, UserChange, UserRequest

ROLES = "See docs/reference/roles.md."

app = group("Users: who may sign in.")

UserName = Annotated[str, typer.Argument(metavar="USER", help="Its name or id.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What they sign in with: lower-case letters, digits, dots and dashes.")],
    display_name: Annotated[str | None, typer.Option("--display-name", help="Their name as others read it.")] = None,
    role: Annotated[
        Role | None, typer.Option("--role", help=f"What they may do besides using desktops. {ROLES}")
    ] = None,
    administrator: Annotated[bool, typer.Option("--administrator", help="The same as --role administrator.")] = False,
    password_stdin: PasswordStdin = False,
    forbid: policy.Forbid = None,
    clipboard_max: policy.ClipboardMax = None,
    usb_filter: policy.UsbFilter = None,
    as_json: Json = False,
) -> None:
    """Add a user. The password is asked for.

    \b
    Examples:
      frazil user add anna --display-name "Anna Kis"
      frazil user add bela --role helpdesk
      frazil user add cili --administrator --password-stdin < password.txt
    """
    secret = password.read(from_stdin=password_stdin, twice=True)
    if administrator and role not in (None, "administrator"):
        raise InvalidInput("Two roles were said.", remedy="Give either --role or --administrator.")
    has = "administrator" if administrator else role
    passes = policy.change(Policy(), forbid=forbid, clipboard_max_kib=clipboard_max, usb_filters=usb_filter)
    request = valid(UserRequest, name=name, password=secret, display_name=display_name, role=has, policy=passes)
    with connect() as client:
        user = client.add_user(request)
    output.answer(user, as_json=as_json, people=lambda: output.say(f"{user.name} may sign in."))


@app.command("list")
def list_(as_json: Json = False) -> None:
    """All users.

    \b
    Examples:
      frazil user list
    """
    with connect() as client:
        users = client.users()
    rows = [(user.name, user.display_name, user.role, output.when(user.created_at)) for user in users]
    output.answer(
        users,
        as_json=as_json,
        people=lambda: output.table(
            ("NAME", "DISPLAY NAME", "ROLE", "MADE"), rows, empty="No users. Make the first: frazil setup-link"
        ),
    )


@app.command()
def show(user: UserName, as_json: Json = False) -> None:
    """One user.

    \b
    Examples:
      frazil user show anna
    """
    with connect() as client:
        found = client.user(user)
        groups = [] if as_json else client.groups(user=found.id)
        pools = [] if as_json else client.entitlements(user=found.id)
    in_groups = ", ".join(sorted(group.name for group in groups))
    may_use = ", ".join(sorted({entitlement.pool_name for entitlement in pools}))
    output.answer(
        found,
        as_json=as_json,
        people=lambda: _show(found, ("Groups", in_groups), ("Pools", may_use)),
    )


@app.command()
def change(
    user: UserName,
    role: Annotated[
        Role | None, typer.Option("--role", help=f"What they may do besides using desktops. {ROLES}")
    ] = None,
    forbid: policy.Forbid = None,
    allow: policy.Allow = None,
    clipboard_max: policy.ClipboardMax = None,
    usb_filter: policy.UsbFilter = None,
    as_json: Json = False,
) -> None:
    """Change a user's role, or what may pass for them in whichever pool; sessions that are open follow at once.

    A pool's own rules hold besides: what either forbids does not pass. Nobody gives a role that may do more than their
    own, and the last administrator stays one.

    \b
    Examples:
      frazil user change anna --role helpdesk
      frazil user change anna --forbid files --forbid folders
      frazil user change anna --allow files
    """
    with connect() as client:
        found = client.user(user)
        passes = policy.change(
            found.policy.value(), forbid=forbid, allow=allow, clipboard_max_kib=clipboard_max, usb_filters=usb_filter
        )
        if passes is None and role is None:
            raise InvalidInput("Nothing to change was said.", remedy="See frazil user change --help.")
        changed = client.change_user(found, valid(UserChange, policy=passes, role=role))
    output.answer(changed, as_json=as_json, people=lambda: _show(changed))


def _show(user: User, *more: tuple[str, str]) -> None:
    output.pairs(
        [
            ("Name", user.name),
            ("Full name", user.display_name),
            ("Role", user.role),
            ("Id", user.id),
            *more,
            *policy.pairs(user.policy),
            ("Made", output.when(user.created_at)),
        ]
    )


@app.command()
def passwd(
    user: UserName,
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
) -> None:
    """Set a user's password. It is asked for.

    Their sign-ins and their API tokens end.

    \b
    Examples:
      frazil user passwd anna
    """
    secret = password.read(from_stdin=password_stdin, twice=True, question=f"New password of {user}")
    request = valid(PasswordRequest, password=secret)
    with connect() as client:
        client.set_password(user, request)
    result: dict[str, object] = {"user": user, "changed": True}
    output.answer(result, as_json=as_json, people=lambda: output.say(f"The password of {user} is set."))


@app.command()
def delete(
    user: UserName,
    as_json: Json = False,
) -> None:
    """Delete a user: their sign-ins and sessions end.

    \b
    Examples:
      frazil user delete anna
    """
    with connect() as client:
        client.delete_user(user)
    result: dict[str, object] = {"user": user, "deleted": True}
    output.answer(result, as_json=as_json, people=lambda: output.say(f"{user} is deleted."))
