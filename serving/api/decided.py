"""What rules decide is told: counted, and of a film that is left alone, written into log and audit trail."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from kneeoa.serving.api.metrics import Metrics
from kneeoa.serving.audit import AuditTrail, Deed
from kneeoa.serving.routing.routing import Order
from kneeoa.serving.routing.rule_settings import Decision

_LOG = structlog.get_logger("kneeoa.routing")


def told_to(metrics: Metrics, audit: AuditTrail) -> Callable[[Order, str], None]:
    """What is called with each decision, and where the film came from.

    Args:
        metrics: counts it.
        audit: holds films that were ignored; where it cannot be written, such a film is not answered with success.
    """

    def decided(order: Order, sender: str) -> None:
        metrics.routed(order.rule, order.decision)
        if order.decision is Decision.IGNORE:
            # No UID: the film is not kept, and nobody here may know of it.
            audit.write(Deed(sender, "film_ignored", order.rule))
            _LOG.info("film_ignored", rule=order.rule, sender=sender)

    return decided
