"""`frazil doctor`: what is wrong with this machine, what it means, and the command that mends it."""

from frazil.cli.doctor.examine import all_checks, examine
from frazil.cli.doctor.finding import Check, Finding, Level, worst
from frazil.cli.doctor.resources import ROOM

__all__ = ["ROOM", "Check", "Finding", "Level", "all_checks", "examine", "worst"]
