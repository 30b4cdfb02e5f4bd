"""`frazil group …`."""

from __future__ import annotations

from typing import Annotated

import typer

from frazil.cli import options, output, quota
from frazil.cli.connection import connect
from frazil.cli.options import Json, UserNames
from frazil.cli.validated import valid
from frazil.model.errors import InvalidInput
from frazil.wire.rest import Group, GroupChange, GroupRequest

app = options.group("Groups: users who may use pools together.")

GroupName = Annotated[str, typer.Argument(metavar="GROUP", help="Its name or id.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits, dots and dashes.")],
    label: Annotated[str | None, typer.Option("--label", help="What people read; the name when not given.")] = None,
    max_desktops: quota.MaxDesktops = None,
    max_vcpus: quota.MaxVcpus = None,
    max_memory: quota.MaxMemory = None,
    max_sessions: quota.MaxSessions = None,
    as_json: Json = False,
) -> None:
    """Add a group. Nobody is in it yet. What it may use at most is for all who are in it together.

    \b
    Examples:
      frazil group add class-7 --label "Class 7"
      frazil group add class-7 --max-desktops 30
    """
    limits = quota.change(desktops=max_desktops, vcpus=max_vcpus, memory_mib=max_memory, sessions=max_sessions)
    request = valid(GroupRequest, name=name, label=label, quota=limits)
    with connect() as client:
        made = client.add_group(request)
    output.answer(
        made,
        as_json=as_json,
        people=lambda: output.say(f"The group {made.name} is added. Put users into it: frazil group join {made.name}"),
    )


@app.command("list")
def list_(as_json: Json = False) -> None:
    """All groups.

    \b
    Examples:
      frazil group list
    """
    with connect() as client:
        groups = client.groups()
    rows = [(one.name, one.label, str(one.members), output.when(one.created_at)) for one in groups]
    output.answer(
        groups,
        as_json=as_json,
        people=lambda: output.table(
            ("NAME", "LABEL", "MEMBERS", "MADE"), rows, empty="No groups. Make one: frazil group add"
        ),
    )


@app.command()
def show(group: GroupName, as_json: Json = False) -> None:
    """One group, who is in it, and the pools that it may use.

    \b
    Examples:
      frazil group show class-7
      frazil group show class-7 --json
    """
    with connect() as client:
        found = client.group(group)
        members = client.members(found.id)
        entitlements = client.entitlements(group=found.id)
    answer: dict[str, object] = {
        **found.model_dump(mode="json"),
        "users": [member.model_dump(mode="json") for member in members],
        "pools": [entitlement.model_dump(mode="json") for entitlement in entitlements],
    }
    users = ", ".join(sorted(member.user_name for member in members))
    pools = ", ".join(sorted(entitlement.pool_name for entitlement in entitlements))
    output.answer(answer, as_json=as_json, people=lambda: _show(found, ("Users", users), ("Pools", pools)))


@app.command()
def change(
    group: GroupName,
    label: Annotated[str | None, typer.Option("--label", help="What people read.")] = None,
    max_desktops: quota.MaxDesktops = None,
    max_vcpus: quota.MaxVcpus = None,
    max_memory: quota.MaxMemory = None,
    max_sessions: quota.MaxSessions = None,
    as_json: Json = False,
) -> None:
    """Change what people read of a group, or how much all who are in it may use together. Its name stays.

    A lower quota ends nothing; it refuses what is asked for next.

    \b
    Examples:
      frazil group change class-7 --label "Class 8"
      frazil group change class-7 --max-desktops 30 --max-memory 30720
    """
    limits = quota.change(desktops=max_desktops, vcpus=max_vcpus, memory_mib=max_memory, sessions=max_sessions)
    asked = valid(GroupChange, label=label, quota=limits)
    if not asked.model_fields_set:
        raise InvalidInput("Nothing to change was said.", remedy="See frazil group change --help.")
    with connect() as client:
        changed = client.change_group(client.group(group), asked)
    output.answer(changed, as_json=as_json, people=lambda: _show(changed))


@app.command()
def join(group: GroupName, users: UserNames, as_json: Json = False) -> None:
    """Put users into a group: they may use at once what it may use.

    \b
    Examples:
      frazil group join class-7 anna bela
    """
    with connect() as client:
        for user in users:
            client.join(group, user)
    _told(group, users, as_json=as_json, inside=True)


@app.command()
def leave(group: GroupName, users: UserNames, as_json: Json = False) -> None:
    """Take users out of a group. Their sessions end in pools that they may use in no other way.

    \b
    Examples:
      frazil group leave class-7 anna
    """
    with connect() as client:
        for user in users:
            client.leave(group, user)
    _told(group, users, as_json=as_json, inside=False)


@app.command()
def delete(group: GroupName, as_json: Json = False) -> None:
    """Delete a group with its entitlements. Its users stay; their sessions end where they may use a pool no other way.

    \b
    Examples:
      frazil group delete class-7
    """
    with connect() as client:
        client.delete_group(group)
    result: dict[str, object] = {"group": group, "deleted": True}
    output.answer(result, as_json=as_json, people=lambda: output.say(f"The group {group} is deleted."))


def _told(group: str, users: list[str], *, as_json: bool, inside: bool) -> None:
    result: dict[str, object] = {"group": group, "users": users, "members": inside}
    verb = "are" if len(users) > 1 else "is"
    said = f"{', '.join(users)} {verb} {'in' if inside else 'no longer in'} the group {group}."
    output.answer(result, as_json=as_json, people=lambda: output.say(said))


def _show(group: Group, *more: tuple[str, str]) -> None:
    output.pairs(
        [
            ("Name", group.name),
            ("Label", group.label),
            ("Members", str(group.members)),
            *more,
            *quota.pairs(group.quota, group.used),
            ("Id", group.id),
            ("Made", output.when(group.created_at)),
        ]
    )
