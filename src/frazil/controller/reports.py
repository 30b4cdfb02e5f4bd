"""What hosts report, written down many at a time.

A thousand hosts say many small things at once; a transaction for each would be most of the work.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy.exc import IntegrityError

from frazil.controller.hostreports import Report, Taken, take_in
from frazil.controller.leadership import Leadership
from frazil.controller.services.context import Context
from frazil.controller.together import Together
from frazil.model.errors import FrazilError, NotFound

AT_ONCE = 200
"""At most so many reports in one transaction."""

log = structlog.get_logger(__name__)


class Reports:
    """Used from the event loop only."""

    def __init__(self, ctx: Context, leadership: Leadership) -> None:
        self._ctx = ctx
        self._leadership = leadership
        self._together: Together[Report, bool] = Together(self._write, at_once=AT_ONCE)

    async def take_in(self, report: Report) -> bool:
        """Returns once it is written down; whether anything is otherwise now. A link waits for each before its next.

        Raises NotFound when the host was forgotten.
        """
        return await self._together.ask(report)

    async def _write(self, reports: Sequence[Report]) -> list[bool | Exception]:
        """Raises FrazilError when the database can't be used, or another controller leads."""
        try:
            taken = await self._one_transaction(reports)
            return [_stranger() if report.host_id in taken.strangers else taken.changed for report in reports]
        except FrazilError:
            raise
        except IntegrityError:
            log.info("reports.apart", why="one is about what was deleted meanwhile", reports=len(reports))
            return [await self._alone(report) for report in reports]
        except Exception:  # what one host says must not take the others' words with it
            log.exception("reports.not-written-together", reports=len(reports))
            return [await self._alone(report) for report in reports]

    async def _alone(self, report: Report) -> bool | Exception:
        try:
            taken = await self._one_transaction([report])
            return _stranger() if taken.strangers else taken.changed
        except Exception as exc:
            log.exception("reports.not-written", host=report.host_id, kind=report.message.type)
            return exc

    async def _one_transaction(self, reports: Sequence[Report]) -> Taken:
        return await self._leadership.write(
            lambda tx: take_in(self._ctx, tx, reports), changes=lambda taken: taken.changed
        )


def _stranger() -> NotFound:
    return NotFound("The host was forgotten while it was away: it is to say hello, as a new one.")
