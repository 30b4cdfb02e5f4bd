"""What is to be done about images, and about operations that wait for something."""

from __future__ import annotations

from frazil.controller.planning.actions import Action, EndOperation, RemoveImage
from frazil.controller.planning.facts import Facts, HostFacts, ImageFacts
from frazil.model.desktop import Failure


def removable(image: ImageFacts, hosts: dict[str, HostFacts]) -> bool:
    """Whether nobody has it any more.

    A host that once had it, or is connected and may just have begun, has to say that it does not.
    """
    if not image.wanted_absent or image.used_by_desktops:
        return False
    asked = image.ever_on | {host.id for host in hosts.values() if host.up}
    return all(image.on_hosts.get(host_id, ("unknown", None))[0] == "absent" for host_id in asked)


def plan_images(facts: Facts) -> list[Action]:
    return [RemoveImage(image.id) for image in facts.images if removable(image, facts.hosts)]


def plan_operations(facts: Facts) -> list[Action]:
    """End what is over. An operation's state is only ever derived from the thing that it is about."""
    images = {image.id: image for image in facts.images}
    pools = {pool.id: pool for pool in facts.pools}
    there = {desktop.pool_id for desktop in facts.desktops if desktop.kept_until is None}
    actions: list[Action] = []
    for operation in facts.operations:
        image = images.get(operation.target_id)
        if operation.kind == "pool.delete":
            pool = pools.get(operation.target_id)
            if pool is not None and not pool.deleting:
                restored = Failure("restored", "The pool was restored with one of its desktops.")
                actions.append(EndOperation(operation.id, restored))
            elif operation.target_id not in there:  # what is left of it is in the recycle bin
                actions.append(EndOperation(operation.id, None))
        elif operation.kind == "image.delete":
            if image is None:
                actions.append(EndOperation(operation.id, None))
        elif image is None or image.wanted_absent:
            gone = Failure("deleted", "The image was deleted before it was ready.", "Make it again if it is needed.")
            actions.append(EndOperation(operation.id, gone))
        else:
            actions.extend(_end_build(operation.id, image))
    return actions


def _end_build(operation_id: str, image: ImageFacts) -> list[Action]:
    states = image.on_hosts.values()
    if any(state == "ready" for state, _ in states):
        return [EndOperation(operation_id, None)]
    if any(state == "making" for state, _ in states):
        return []
    for state, failure in states:
        if state == "failed":
            unnamed = Failure("host-error", "The host could not make the image and gave no reason.")
            return [EndOperation(operation_id, failure or unnamed)]
    return []
