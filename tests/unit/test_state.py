"""One vocabulary of states, and the traps on the way to it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machine_connect.state import (
    AXES,
    TABLES,
    ItemState,
    MachineState,
    OperationMode,
    canonical,
    find,
    same,
)

S = MachineState

calm = settings(deadline=None)

PACKML = (
    "Undefined Clearing Stopped Starting Idle Suspended Execute Stopping Aborting Aborted Holding Held Unholding "
    "Suspending Unsuspending Resetting Completing Complete"
).split()
TMC = (
    "Stopped Resetting Idle Starting Execute Completing Complete Aborting Aborted Stopping Clearing Suspending "
    "Suspended Unsuspending Holding Held Unholding"
).split()


def test_there_are_fourteen_states_and_each_has_its_axes():
    assert len(MachineState) == 14
    assert set(AXES) == set(MachineState)
    for item_state, mode in AXES.values():
        assert item_state is None or isinstance(item_state, ItemState)
        assert mode is None or isinstance(mode, OperationMode)


def test_only_what_executes_is_processing():
    assert AXES[S.RUNNING] == (ItemState.EXECUTING, OperationMode.PROCESSING)
    assert AXES[S.FAULT][0] is ItemState.OUT_OF_SERVICE
    assert AXES[S.UNKNOWN] == (None, None)


def test_trap_a_two_numberings_of_packml():
    for number, name in enumerate(PACKML):
        assert canonical("packml_opc_30050", number) is canonical("packml_opc_30050", name)
    for number, name in enumerate(TMC):
        assert canonical("packml_tmc_v2", number) is canonical("packml_tmc_v2", name)
    assert canonical("packml_opc_30050", 6) is S.RUNNING
    assert canonical("packml_opc_30050", 4) is S.IDLE
    assert canonical("packml_tmc_v2", 4) is S.RUNNING
    assert canonical("packml_tmc_v2", 0) is S.STOPPED
    assert canonical("packml_opc_30050", 0) is S.UNKNOWN
    for container in (18, 19, "Running", "Cleared"):
        assert find("packml_opc_30050", container) is None
    assert find("packml_tmc_v2", 17) is None


def test_trap_b_feed_hold_is_a_word_of_two_vocabularies():
    """FEED_HOLD is an Execution and a ControllerMode; the modes of a controller are no states."""
    assert canonical("mtconnect_execution", "FEED_HOLD") is S.HELD
    for mode in ("AUTOMATIC", "MANUAL", "MANUAL_DATA_INPUT", "SEMI_AUTOMATIC", "EDIT"):
        assert find("mtconnect_execution", mode) is None


def test_trap_c_unavailable_is_not_down():
    assert canonical("mtconnect_execution", "UNAVAILABLE") is S.UNKNOWN


def test_trap_d_the_old_word_for_optional_stop():
    assert canonical("mtconnect_execution", "PROGRAM_OPTIONAL_STOP") is canonical(
        "mtconnect_execution", "OPTIONAL_STOP"
    )
    assert canonical("mtconnect_execution", "OPTIONAL_STOP") is S.HELD


def test_trap_e_suspended_comes_from_outside_and_held_from_inside():
    for table in ("packml_opc_30050", "packml_tmc_v2"):
        assert canonical(table, "Held") is S.HELD
        assert canonical(table, "Suspended") is S.STARVED


def test_trap_f_equipment_mode_is_on_or_off_and_no_state():
    for table in ("mtconnect_execution", "mtconnect_wait_state"):
        for mode in ("ON", "OFF"):
            assert canonical(table, mode) is S.UNKNOWN


@calm
@given(st.integers(-(2**63), 2**64) | st.floats() | st.text())
def test_trap_g_what_no_table_knows_is_unknown_and_never_a_guess(raw):
    for name, table in TABLES.items():
        known = {same(key) for key in table}
        if same(raw) not in known:
            assert canonical(name, raw) is S.UNKNOWN
            assert find(name, raw) is None


def test_wait_says_nothing_without_its_wait_state():
    assert find("mtconnect_execution", "WAIT") is None
    assert canonical("mtconnect_wait_state", "PART_LOAD") is S.STARVED
    assert canonical("mtconnect_wait_state", "PART_UNLOAD") is S.BLOCKED
    assert canonical("mtconnect_wait_state", "PAUSING") is S.TRANSIENT


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        ("ACTIVE", S.RUNNING),
        ("READY", S.IDLE),
        ("INTERRUPTED", S.HELD),
        ("STOPPED", S.STOPPED),
        ("PROGRAM_STOPPED", S.STOPPED),
        ("PROGRAM_COMPLETED", S.COMPLETED),
    ],
)
def test_mtconnect_execution(raw, state):
    assert canonical("mtconnect_execution", raw) is state


@pytest.mark.parametrize(
    ("number", "name", "state"),
    [
        (0, "NotAvailable", S.OFF),
        (1, "OutOfService", S.FAULT),
        (2, "NotExecuting", S.IDLE),
        (3, "Executing", S.RUNNING),
    ],
)
def test_machinery_item_state(number, name, state):
    assert canonical("machinery_item_state", number) is canonical("machinery_item_state", name) is state


@pytest.mark.parametrize(
    ("number", "name", "state"),
    [
        (1, "NO_PRODUCTION", S.STOPPED),
        (2, "START_UP", S.TRANSIENT),
        (3, "READY_FOR_PRODUCTION", S.TRIAL),
        (4, "PRODUCTION", S.RUNNING),
        (5, "DRY_RUN", S.TRIAL),
        (0, "OTHER", S.UNKNOWN),
    ],
)
def test_euromap_production_status(number, name, state):
    assert canonical("euromap_production_status", number) is canonical("euromap_production_status", name) is state


def test_a_stack_light():
    lamps = {1: "green", 2: "yellow", 4: "red", 8: "blue"}
    for bit, colour in lamps.items():
        assert canonical("stack_light", bit) is canonical("stack_light", colour)
    for bits in range(16):
        state = canonical("stack_light", bits)
        if bits in (0, 5, 7, 13, 15):  # dark, or red and green at once
            assert state is S.UNKNOWN
        elif bits & 4:
            assert state is S.FAULT
        elif bits & 1:
            assert state is S.RUNNING
        else:
            assert state is S.HELD


def test_our_own_words():
    for state in MachineState:
        assert canonical("canonical", state.value.upper()) is state


@pytest.mark.parametrize("raw", [6, 6.0, "6", " 6 ", "6.0"])
def test_numbers_in_any_dress(raw):
    assert canonical("packml_opc_30050", raw) is S.RUNNING


@pytest.mark.parametrize("raw", ["active", "Active", " ACTIVE\n"])
def test_text_in_any_case(raw):
    assert canonical("mtconnect_execution", raw) is S.RUNNING


@pytest.mark.parametrize(
    "raw", ["06", "6.5", 6.5, "6e0", "0x6", "", " ", "VI", "٦", float("nan"), float("inf"), -6, "-6"]
)
def test_what_only_looks_like_a_number_is_none(raw):
    assert canonical("packml_opc_30050", raw) is S.UNKNOWN


@pytest.mark.parametrize(("raw", "key"), [(True, 1), ("TRUE", 1), (False, 0), ("-4", -4), (-4.0, -4), ("0700", "0700")])
def test_same(raw, key):
    assert same(raw) == key


@calm
@given(st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text())
def test_same_is_settled_at_once(raw):
    assert same(same(raw)) == same(raw)


def test_a_table_that_does_not_exist_is_an_error_of_ours():
    with pytest.raises(KeyError):
        canonical("packml", 6)
