"""`frazil user …`."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path
from typing import Annotated

import typer

from frazil.cli import output, password, policy, quota, roster
from frazil.cli.connection import connect
from frazil.cli.options import Json, PasswordStdin, UserNames, group
from frazil.cli.validated import valid
from frazil.model.errors import InvalidInput, NotFound
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
    max_desktops: quota.MaxDesktops = None,
    max_vcpus: quota.MaxVcpus = None,
    max_memory: quota.MaxMemory = None,
    max_sessions: quota.MaxSessions = None,
    as_json: Json = False,
) -> None:
    """Add a user. The password is asked for.

    \b
    Examples:
      frazil user add anna --display-name "Anna Kis"
      frazil user add bela --role helpdesk
      frazil user add dora --max-desktops 2 --max-memory 4096
      frazil user add cili --administrator --password-stdin < password.txt
    """
    secret = password.read(from_stdin=password_stdin, twice=True)
    if administrator and role not in (None, "administrator"):
        raise InvalidInput("Two roles were said.", remedy="Give either --role or --administrator.")
    has = "administrator" if administrator else role
    passes = policy.change(Policy(), forbid=forbid, clipboard_max_kib=clipboard_max, usb_filters=usb_filter)
    limits = quota.change(desktops=max_desktops, vcpus=max_vcpus, memory_mib=max_memory, sessions=max_sessions)
    request = valid(
        UserRequest, name=name, password=secret, display_name=display_name, role=has, policy=passes, quota=limits
    )
    with connect() as client:
        user = client.add_user(request)
    output.answer(user, as_json=as_json, people=lambda: output.say(f"{user.name} may sign in."))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CSV file; its first line names the columns.")],
    in_groups: Annotated[
        list[str] | None, typer.Option("--group", help="A group to put everybody into; may be said several times.")
    ] = None,
    passwords: Annotated[
        Path | None, typer.Option("--passwords", help="A new file for the passwords that are made.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add everybody in a CSV file, and put them into groups.

    Columns: name, display_name, password, groups (with blanks between them). Only name is needed. Who has no password
    there gets one, which is written to the file that --passwords names. Nothing is done when anything in the file is
    wrong. Whoever is a user already stays as they are, and joins the groups.

    \b
    Examples:
      frazil user import class-7.csv --group class-7 --passwords class-7-passwords.csv
    """
    entries = roster.read(file, groups=in_groups or ())
    with connect() as client:
        there = {user.name for user in client.users()}
        _check_groups(entries, {group.name for group in client.groups()})
        new = [one for one in entries if one.request.name not in there]
        made = [one for one in new if not one.has_password]
        if made:
            if passwords is None:
                raise InvalidInput(
                    f"{len(made)} in {file} have no password.",
                    remedy="Name a new file for those that are made for them: --passwords FILE",
                    field="passwords",
                )
            roster.write_passwords(passwords, made)
        with output.progress("Adding users", quiet=as_json) as bar:
            for number, one in enumerate(entries):
                bar.tell(step=f"Adding {one.request.name}", fraction=number / len(entries), left_s=None)
                if one.request.name not in there:
                    client.add_user(one.request)
                for name in one.groups:
                    client.join(name, one.request.name)
    names = [one.request.name for one in new]
    result: dict[str, object] = {
        "added": names,
        "there_already": [one.request.name for one in entries if one.request.name in there],
        "passwords": str(passwords) if made else None,
    }
    output.answer(result, as_json=as_json, people=lambda: _tell_import(len(new), len(entries), passwords, len(made)))


def _check_groups(entries: Sequence[roster.Entry], there: Set[str]) -> None:
    missing = sorted({name for one in entries for name in one.groups} - there)
    if missing:
        raise NotFound(
            f"There is no group {missing[0]}; nobody was added.", remedy=f"Make it: frazil group add {missing[0]}"
        )


def _tell_import(new: int, every: int, passwords: Path | None, made: int) -> None:
    output.say(f"{new} users were added." + (f" {every - new} were there already." if new < every else ""))
    if made:
        output.say(f"{made} passwords are in {passwords}. Hand them out, then delete the file.")


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
    max_desktops: quota.MaxDesktops = None,
    max_vcpus: quota.MaxVcpus = None,
    max_memory: quota.MaxMemory = None,
    max_sessions: quota.MaxSessions = None,
    as_json: Json = False,
) -> None:
    """Change a user's role, how much they may use, or what may pass for them in whichever pool.

    Sessions that are open follow at once in what may pass. A pool's own rules hold besides: what either forbids does
    not pass. A lower quota ends nothing; it refuses what they ask for next. Nobody gives a role that may do more than
    their own, and the last administrator stays one.

    \b
    Examples:
      frazil user change anna --role helpdesk
      frazil user change anna --forbid files --forbid folders
      frazil user change anna --allow files
      frazil user change anna --max-desktops 2 --max-vcpus 4
    """
    with connect() as client:
        found = client.user(user)
        passes = policy.change(
            found.policy.value(), forbid=forbid, allow=allow, clipboard_max_kib=clipboard_max, usb_filters=usb_filter
        )
        limits = quota.change(desktops=max_desktops, vcpus=max_vcpus, memory_mib=max_memory, sessions=max_sessions)
        if passes is None and role is None and limits is None:
            raise InvalidInput("Nothing to change was said.", remedy="See frazil user change --help.")
        changed = client.change_user(found, valid(UserChange, policy=passes, role=role, quota=limits))
    output.answer(changed, as_json=as_json, people=lambda: _show(changed))


def _show(user: User, *more: tuple[str, str]) -> None:
    output.pairs(
        [
            ("Name", user.name),
            ("Full name", user.display_name),
            ("Role", user.role),
            ("Id", user.id),
            *more,
            *quota.pairs(user.quota, user.used),
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
def delete(users: UserNames, as_json: Json = False) -> None:
    """Delete users: their sign-ins and sessions end.

    \b
    Examples:
      frazil user delete anna
      frazil user delete anna bela
    """
    with connect() as client:
        for user in users:
            client.user(user)  # of whom one is unknown, none is deleted
        for user in users:
            client.delete_user(user)
    said = f"{', '.join(users)} {'are' if len(users) > 1 else 'is'} deleted."
    result: dict[str, object] = {"users": users, "deleted": True}
    output.answer(result, as_json=as_json, people=lambda: output.say(said))
