"""Every driver keeps the contract of ``machine_connect.drivers.driver``, against a real server on loopback."""

import json
import subprocess
import sys
import threading

import pytest

from machine_connect.drivers import DRIVERS, SignalAddress, driver_class
from machine_connect.errors import CODES, ConnectionFailed, DriverUnavailable, NotSupported
from machine_connect.reading import Quality
from tests.unit.driver_fixtures import fixture_class
from tests.unit.loopback import wait_until


@pytest.fixture(params=sorted(DRIVERS), scope="module")
def protocol(request):
    return request.param


@pytest.fixture(scope="module")
def server(protocol):
    fixture = fixture_class(protocol)()
    fixture.start()
    yield fixture
    fixture.stop()


@pytest.fixture
def driver(protocol, server):
    made = driver_class(protocol)(server.options, server.secrets)
    yield made
    made.close()


@pytest.fixture
def signals(server):
    return [signal for signal, _value in server.signals]


@pytest.fixture
def expected(server):
    return [value for _signal, value in server.signals]


def values(readings):
    return [reading.value for reading in readings]


# Settings


def test_good_settings_and_addresses_have_no_problem(driver, server, signals):
    assert driver.check_options(server.options) == []
    assert [driver.check_address(signal) for signal in signals] == [[]] * len(signals)


def test_an_unknown_setting_is_named(driver, server):
    problems = driver.check_options({**server.options, "colour": "green"})

    assert [(problem.field, problem.code) for problem in problems] == [("colour", "unknown_option")]


def test_an_unknown_option_of_a_signal_is_named(driver, signals):
    signal = signals[0]
    problems = driver.check_address(SignalAddress("x", signal.address, {**signal.options, "colour": "green"}))

    assert [(problem.field, problem.code) for problem in problems] == [("colour", "unknown_option")]


def test_a_required_setting_that_is_empty_is_named(driver, server):
    for field in server.required:
        problems = driver.check_options({**server.options, field: ""})

        assert [(problem.field, problem.code) for problem in problems] == [(field, "missing")]


def test_a_malformed_address_is_told_without_a_server(driver, server):
    problems = driver.check_address(server.malformed_signal)

    assert [problem.field for problem in problems] == ["address"]
    assert problems[0].code in CODES
    json.dumps(problems[0].params)


def test_endpoint_and_transport_are_the_same_for_the_same_settings(driver, server):
    same = dict(reversed(server.options.items()))

    assert isinstance(driver.endpoint(server.options), str)
    assert driver.endpoint(same) == driver.endpoint(server.options)
    assert hash(driver.transport(same)) == hash(driver.transport(server.options))
    assert driver.transport(same) == driver.transport(server.options)
    assert driver.transport(server.dead_options) != driver.transport(server.options)


# Reading


def test_it_reads_every_value_in_the_order_asked(driver, signals, expected):
    driver.open()

    for part in (slice(None), slice(None, None, -1), slice(1, 2), slice(0)):
        readings = driver.read(signals[part])

        assert [reading.signal for reading in readings] == [signal.name for signal in signals[part]]
        assert values(readings) == expected[part]
        assert {reading.quality for reading in readings} <= {Quality.GOOD}


def test_a_reading_carries_its_time_and_its_evidence(driver, signals):
    driver.open()

    for reading in driver.read(signals):
        assert reading.at.utcoffset().total_seconds() == 0
        assert reading.read_at.utcoffset().total_seconds() == 0
        assert reading.code == ""
        assert reading.raw
        assert json.loads(json.dumps(reading.raw)) == reading.raw


def test_values_have_the_type_that_was_asked_for(driver, signals, expected):
    driver.open()

    assert [type(value) for value in values(driver.read(signals))] == [type(value) for value in expected]


def test_one_bad_signal_spoils_no_other(driver, server, signals, expected):
    driver.open()
    asked = [signals[0], server.refused_signal, *signals[1:3], server.malformed_signal, *signals[3:]]

    readings = driver.read(asked)

    assert [reading.signal for reading in readings] == [signal.name for signal in asked]
    bad = [reading for reading in readings if reading.signal in (asked[1].name, asked[4].name)]
    assert values([reading for reading in readings if reading not in bad]) == expected
    for reading in bad:
        assert (reading.value, reading.quality) == (None, Quality.BAD)
        assert reading.code in CODES
        json.dumps(reading.raw)


def test_two_signals_may_stand_at_one_address(driver, signals, expected):
    driver.open()
    twin = SignalAddress("twin", signals[0].address, signals[0].options)

    assert values(driver.read([signals[0], twin])) == expected[:1] * 2


def test_nothing_but_its_closed_list_of_reads_goes_over_the_wire(driver, server, signals):
    driver.open()
    driver.read([*signals, server.refused_signal])
    driver.describe()
    try:
        driver.browse()
    except NotSupported:
        pass
    driver.close()

    assert server.requests()
    assert server.requests() <= driver.read_requests


def test_it_has_no_verb_that_writes(driver):
    verbs = [name for name in dir(driver) if not name.startswith("_")]

    assert not [name for name in verbs if any(word in name for word in ("write", "set_", "force", "preset", "call"))]


def test_what_a_device_says_of_itself_is_json(driver):
    driver.open()

    json.dumps(driver.describe())


# Opening and closing


def test_it_may_be_closed_twice_and_opened_again(driver, signals, expected):
    driver.close()
    for _round in range(3):
        driver.open()
        assert values(driver.read(signals)) == expected
        driver.close()
        driver.close()


def test_as_a_context_it_closes_by_itself(protocol, server, signals):
    with driver_class(protocol)(server.options, server.secrets) as driver:
        driver.read(signals)

    wait_until(lambda: server.connections() == 0)


def test_closing_leaves_neither_connection_nor_thread(protocol, server, signals):
    before = threading.active_count()
    driver = driver_class(protocol)(server.options, server.secrets)
    driver.open()
    driver.read(signals)
    driver.close()

    wait_until(lambda: server.connections() == 0)
    assert threading.active_count() == before


def test_reading_what_is_not_open_is_a_lost_connection(driver, signals):
    with pytest.raises(ConnectionFailed) as failure:
        driver.read(signals)

    assert failure.value.code in CODES


def test_a_dead_address_is_told_at_opening(protocol, server):
    before = threading.active_count()
    driver = driver_class(protocol)(server.dead_options, server.secrets)

    with pytest.raises(ConnectionFailed) as failure:
        driver.open()
    driver.close()

    assert failure.value.code == "connection_refused"
    assert failure.value.field in server.dead_options
    json.dumps(failure.value.params)
    assert threading.active_count() == before


def test_a_device_that_goes_is_lost_and_one_that_comes_back_is_read_again(driver, server, signals, expected):
    driver.open()
    driver.read(signals)
    server.lose()
    try:
        for _round in range(2):
            with pytest.raises(ConnectionFailed) as failure:
                driver.read(signals)
            assert failure.value.code in CODES
            driver.close()
            with pytest.raises(ConnectionFailed):
                driver.open()
    finally:
        server.come_back()

    driver.close()
    driver.open()
    assert values(driver.read(signals)) == expected


def test_secrets_never_show(protocol, server):
    driver = driver_class(protocol)(server.dead_options, server.secrets)
    shown = [repr(driver), str(driver), repr(driver.transport(server.options)), driver.endpoint(server.options)]
    with pytest.raises(ConnectionFailed) as failure:
        driver.open()
    driver.close()
    shown += [str(failure.value), repr(failure.value), json.dumps(failure.value.params)]

    for secret in server.secrets.values():
        assert not [text for text in shown if secret in text]


# The library


def test_without_its_library_it_says_what_to_install(protocol, server, monkeypatch):
    server.forget_library()
    monkeypatch.setitem(sys.modules, server.library, None)
    driver = driver_class(protocol)(server.options, server.secrets)
    try:
        with pytest.raises(DriverUnavailable) as failure:
            driver.open()
    finally:
        driver.close()
        server.forget_library()

    assert failure.value.library == server.library
    assert failure.value.requirement.startswith(server.library)


def test_its_library_is_imported_only_when_it_is_opened(protocol, server):
    program = (
        "import sys\n"
        "from machine_connect.drivers import driver_class\n"
        f"driver_class({protocol!r}).check_options({{}})\n"
        f"sys.exit({server.library!r} in sys.modules)\n"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}

    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 0
