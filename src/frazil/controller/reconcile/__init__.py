"""The level-triggered loop: look at everything, decide (`planning`), carry it out, tell the hosts."""

from frazil.controller.reconcile.loop import Reconciler

__all__ = ["Reconciler"]
