"""What can a signal mean? Roles as data: the evaluator that looks at its readings and the event that it makes of them.

A role that no evaluator serves yet is known, read and shown; it makes no events.
"""

from typing import NamedTuple


class Role(NamedTuple):
    """A meaning that a signal can have.

    :param str evaluator: ``counter``, ``state``, ``cycle``, ``alarm``, ``change``, ``lot``, ``scan``, ``scale``, ``summary`` or
        ``none``
    :param str event_type: the type of event that it makes, of :data:`machine_connect.event.EVENT_TYPES`; or empty
    :param str kind: of what is counted: ``good``, ``reject``, ``rework`` or ``total``
    :param str key: under which the event repeats the value in the word of its type
    :param str emptied: the type of event that it makes when the value becomes empty, where that is another one
    """

    evaluator: str
    event_type: str = ""
    kind: str = ""
    key: str = ""
    emptied: str = ""


ROLES = {
    "state": Role("state", "machine.state_changed"),
    "good": Role("counter", "production.count", kind="good"),
    "reject": Role("counter", "production.count", kind="reject"),
    "rework": Role("counter", "production.count", kind="rework"),
    "total": Role("counter", "production.count", kind="total"),
    "cycle": Role("cycle", "production.cycle_completed"),
    "alarm": Role("alarm", "alarm.raised", emptied="alarm.cleared"),
    "program": Role("change", "machine.program_changed"),
    "mode": Role("change", "machine.mode_changed"),
    "lot": Role("lot", "material.lot_changed"),
    "scan": Role("scan", "identity.scan"),
    "operator": Role("change", "identity.operator"),
    "scale": Role("scale", "quality.scrap"),
    # That a machine no longer names an order says that it does not work on it, not that the order is complete.
    "order": Role("change", "production.order_started", key="order", emptied="production.order_paused"),
    "meter": Role("summary", "process.summary"),
    "energy": Role("none"),
    "condition": Role("summary", "process.summary"),
    "value": Role("none"),
}
