"""What is the machine doing, in one vocabulary for all makers?

Two axes and a reason, after OPC 40001-1 (OPC UA for Machinery, Part 1: MachineryItemState, MachineryOperationMode),
shown as one list of fourteen states. What a machine says is looked up in a table that its template names; what a
table does not know is ``unknown`` and waits to be mapped, it is never guessed.
"""

from enum import Enum


class MachineState(str, Enum):
    """The states that a machine can have here."""

    RUNNING = "running"
    #: on the way from one state to another, under power
    TRANSIENT = "transient"
    IDLE = "idle"
    #: waits for something to work on
    STARVED = "starved"
    #: cannot get rid of what it made
    BLOCKED = "blocked"
    #: paused from the inside: feed hold, optional stop, operator
    HELD = "held"
    STOPPED = "stopped"
    COMPLETED = "completed"
    FAULT = "fault"
    SETUP = "setup"
    MAINTENANCE = "maintenance"
    #: makes what is not meant to be sold: dry run, samples
    TRIAL = "trial"
    OFF = "off"
    #: nobody can say; not the same as down
    UNKNOWN = "unknown"


class ItemState(str, Enum):
    """OPC 40001-1, 12.2 MachineryItemState."""

    NOT_AVAILABLE = "not_available"
    OUT_OF_SERVICE = "out_of_service"
    NOT_EXECUTING = "not_executing"
    EXECUTING = "executing"


class OperationMode(str, Enum):
    """OPC 40001-1, 13.2 MachineryOperationMode."""

    NONE = "none"
    MAINTENANCE = "maintenance"
    SETUP = "setup"
    PROCESSING = "processing"


_S, _I, _M = MachineState, ItemState, OperationMode

#: The two axes of each state; None where the state does not say.
AXES = {
    _S.RUNNING: (_I.EXECUTING, _M.PROCESSING),
    _S.TRANSIENT: (_I.EXECUTING, _M.PROCESSING),
    _S.IDLE: (_I.NOT_EXECUTING, _M.PROCESSING),
    _S.STARVED: (_I.NOT_EXECUTING, _M.PROCESSING),
    _S.BLOCKED: (_I.NOT_EXECUTING, _M.PROCESSING),
    _S.HELD: (_I.NOT_EXECUTING, _M.PROCESSING),
    _S.STOPPED: (_I.NOT_EXECUTING, None),
    _S.COMPLETED: (_I.NOT_EXECUTING, None),
    _S.FAULT: (_I.OUT_OF_SERVICE, None),
    _S.SETUP: (None, _M.SETUP),
    _S.MAINTENANCE: (None, _M.MAINTENANCE),
    _S.TRIAL: (_I.EXECUTING, _M.NONE),
    _S.OFF: (_I.NOT_AVAILABLE, None),
    _S.UNKNOWN: (None, None),
}

#: The states of PackML (ISA-TR88.00.02) by name, whatever number they have. Suspended has an external cause and Held
#: an internal one; which external cause, only EquipmentStarved and EquipmentBlocked can tell.
_PACKML = {
    "Undefined": _S.UNKNOWN,
    "Clearing": _S.TRANSIENT,
    "Stopped": _S.STOPPED,
    "Starting": _S.TRANSIENT,
    "Idle": _S.IDLE,
    "Suspended": _S.STARVED,
    "Execute": _S.RUNNING,
    "Stopping": _S.TRANSIENT,
    "Aborting": _S.TRANSIENT,
    "Aborted": _S.FAULT,
    "Holding": _S.TRANSIENT,
    "Held": _S.HELD,
    "Unholding": _S.TRANSIENT,
    "Suspending": _S.TRANSIENT,
    "Unsuspending": _S.TRANSIENT,
    "Resetting": _S.TRANSIENT,
    "Completing": _S.TRANSIENT,
    "Complete": _S.COMPLETED,
    "Completed": _S.COMPLETED,  # as TwinCAT and LPMLV2022 spell it
}


def _numbered(first, order, states):
    """Return a table that knows the states by name, and by the number that their order gives them."""
    return {**states, **{number: states[name] for number, name in enumerate(order.split(), first)}}


#: What machines say, by the name of the table: ``{number or text: state}``. Text is found in any case.
TABLES = {
    # The states themselves, for a machine or a middleware that speaks our words already.
    "canonical": {state.value: state for state in MachineState},
    # OPC 30050 (PackML) and the PackTags of Rockwell, Siemens, TwinCAT. 18 Running and 19 Cleared hold other states
    # and are never the current one.
    "packml_opc_30050": _numbered(
        0,
        "Undefined Clearing Stopped Starting Idle Suspended Execute Stopping Aborting Aborted Holding Held Unholding "
        "Suspending Unsuspending Resetting Completing Complete",
        _PACKML,
    ),
    # OPC 30060 (Tobacco Machine Communication) 2.00, 11.9 StateEnumeration: the same names, counted from zero in
    # another order. https://reference.opcfoundation.org/TMC/v200/docs/11.9
    "packml_tmc_v2": _numbered(
        0,
        "Stopped Resetting Idle Starting Execute Completing Complete Aborting Aborted Stopping Clearing Suspending "
        "Suspended Unsuspending Holding Held Unholding",
        {name: state for name, state in _PACKML.items() if name != "Undefined"},
    ),
    # MTConnect Part 2, Execution. WAIT says nothing without its WAIT_STATE; PROGRAM_OPTIONAL_STOP is what OPTIONAL_STOP
    # was called before 1.4.
    "mtconnect_execution": {
        "ACTIVE": _S.RUNNING,
        "READY": _S.IDLE,
        "INTERRUPTED": _S.HELD,
        "FEED_HOLD": _S.HELD,
        "OPTIONAL_STOP": _S.HELD,
        "PROGRAM_OPTIONAL_STOP": _S.HELD,
        "STOPPED": _S.STOPPED,
        "PROGRAM_STOPPED": _S.STOPPED,
        "PROGRAM_COMPLETED": _S.COMPLETED,
        "UNAVAILABLE": _S.UNKNOWN,
    },
    # MTConnect Part 2, WaitState.
    "mtconnect_wait_state": {
        "POWERING_UP": _S.TRANSIENT,
        "PAUSING": _S.TRANSIENT,
        "RESUMING": _S.TRANSIENT,
        "PART_LOAD": _S.STARVED,
        "MATERIAL_LOAD": _S.STARVED,
        "PART_UNLOAD": _S.BLOCKED,
        "UNAVAILABLE": _S.UNKNOWN,
    },
    # OPC 40001-1, 12.2; the numbers are the StateNumbers that OPC 40082-5, 11.2 lists.
    "machinery_item_state": _numbered(
        0,
        "NotAvailable OutOfService NotExecuting Executing",
        {"NotAvailable": _S.OFF, "OutOfService": _S.FAULT, "NotExecuting": _S.IDLE, "Executing": _S.RUNNING},
    ),
    # OPC 40083 (Euromap 83) 1.03, 14.7.1 ProductionStatus. OTHER says nothing. READY_FOR_PRODUCTION is not idle there:
    # «producing parts, settings reached, production not yet released».
    "euromap_production_status": _numbered(
        1,
        "NO_PRODUCTION START_UP READY_FOR_PRODUCTION PRODUCTION DRY_RUN",
        {
            "NO_PRODUCTION": _S.STOPPED,
            "START_UP": _S.TRANSIENT,
            "READY_FOR_PRODUCTION": _S.TRIAL,
            "PRODUCTION": _S.RUNNING,
            "DRY_RUN": _S.TRIAL,
        },
    ),
    # A stack light by IEC 60073 (green normal, yellow abnormal, red fault, blue: an operator must act), one lamp by its
    # name, or lamps as bits: 1 green, 2 yellow, 4 red, 8 blue. Dark, red beside green and all at once (a lamp test)
    # have no meaning of their own.
    "stack_light": {
        "green": _S.RUNNING,
        "yellow": _S.HELD,
        "amber": _S.HELD,
        "red": _S.FAULT,
        "blue": _S.HELD,
        1: _S.RUNNING,
        2: _S.HELD,
        3: _S.RUNNING,
        4: _S.FAULT,
        6: _S.FAULT,
        8: _S.HELD,
        9: _S.RUNNING,
        10: _S.HELD,
        11: _S.RUNNING,
        12: _S.FAULT,
        14: _S.FAULT,
    },
}


def same(raw):
    """Return what two ways of saying one thing have in common: 6, 6.0, "6" and " 6.0 "; True, "true" and 1; any case.

    Leading zeros are kept: program "0700" is not program "700".
    """
    if isinstance(raw, int):
        return int(raw)
    if isinstance(raw, float):
        return int(raw) if raw.is_integer() else raw
    text = str(raw).strip().casefold()
    if text in ("true", "false"):
        return int(text == "true")
    sign = text.startswith("-")
    digits = text[sign:]
    if digits.endswith(".0"):
        digits = digits[:-2]
    if digits.isdecimal() and digits.isascii() and len(digits) < 20 and (digits[0] != "0" or digits == "0"):
        return -int(digits) if sign else int(digits)
    return text


_LOOKUP = {name: {same(raw): state for raw, state in table.items()} for name, table in TABLES.items()}


def find(table, raw):
    """Return the state that a table gives to what a machine says, None where it gives none.

    :raise KeyError: there is no table of that name
    """
    return _LOOKUP[table].get(same(raw))


def canonical(table, raw):
    """Return the state that a table gives to what a machine says; what it does not know is unknown.

    :param str table: a name of :data:`TABLES`
    :param raw: bool, int, float or str
    :raise KeyError: there is no table of that name

    >>> canonical("packml_opc_30050", 4), canonical("packml_tmc_v2", "4")
    (<MachineState.IDLE: 'idle'>, <MachineState.RUNNING: 'running'>)
    """
    return find(table, raw) or MachineState.UNKNOWN
