"""Which OPC UA addresses and settings are taken, and what is said about the others?"""

import json
import math
import uuid
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from machine_connect.drivers import SignalAddress, driver_class
from machine_connect.drivers.opcua_address import AddressInvalid, NodeAddress, address_text, parse_address
from machine_connect.drivers.opcua_settings import (
    FOREIGN_OPTIONS,
    SECURITY_MODES,
    SECURITY_POLICIES,
    SIGNAL_OPTIONS,
    Settings,
    endpoint_text,
)
from machine_connect.drivers.opcua_status import SERVICE_CODES, VALUE_CODES
from machine_connect.errors import CODES

Driver = driver_class("opcua")

# Addresses


@pytest.mark.parametrize(
    ("text", "namespace", "identifier"),
    [
        ("i=2258", "", 2258),
        ("ns=0;i=2258", "", 2258),
        ("nsu=http://opcfoundation.org/UA/;i=2258", "", 2258),
        ("nsu=urn:plant;s=Part_Count", "urn:plant", "Part_Count"),
        ('nsu=urn:plant;s="DB1"."a;b=c"', "urn:plant", '"DB1"."a;b=c"'),
        ("nsu=urn:a%3Bb%25;i=007", "urn:a;b%", 7),
        (
            "nsu=urn:plant;g=72962B91-FA75-4AE6-8D28-B404DC7DAF63",
            "urn:plant",
            uuid.UUID("72962b91fa754ae68d28b404dc7daf63"),
        ),
        ("nsu=urn:plant;b=AAEC/w==", "urn:plant", b"\x00\x01\x02\xff"),
        ("  nsu=urn:plant;s=x  ", "urn:plant", "x"),
        ("s=Ünicode", "", "Ünicode"),
    ],
)
def test_an_address_names_a_node(text, namespace, identifier):
    assert parse_address(text) == NodeAddress(namespace, identifier)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("ns=2;s=Part_Count", "nsu"),
        ("nsu=;s=x", "nsu"),
        ("svr=1;i=5", "server"),
        ("Part_Count", "form"),
        ("", "form"),
        ("nsu=urn:plant;s=", "form"),
        ("nsu=urn:plant;x=1", "form"),
        ("i=-1", "number"),
        ("i=4294967296", "number"),
        ("i=0000000000099999999999", "number"),
        ("i=\u0661", "number"),
        ("g=not-a-guid", "guid"),
        ("b=!!!", "base64"),
        ("s=" + "x" * 5000, "long"),
    ],
)
def test_what_names_no_node_says_why(text, hint):
    with pytest.raises(AddressInvalid) as failure:
        parse_address(text)

    assert failure.value.hint == hint


IDENTIFIERS = (
    st.integers(0, 2**32 - 1)
    | st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=40)
    | st.uuids()
    | st.binary(min_size=1, max_size=40)
)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), max_size=40), IDENTIFIERS)
@example("a;b%3B", "s=1;2")
@example("http://opcfoundation.org/UA/x", 1)
def test_an_address_is_the_same_after_it_was_written_down(namespace, identifier):
    assert parse_address(address_text(namespace, identifier)) == NodeAddress(namespace, identifier)


@pytest.mark.parametrize(
    ("address", "options", "problems"),
    [
        ("nsu=urn:plant;s=x", {}, []),
        ("nsu=urn:plant;s=x", {"index": 3, "data_type": "Int32"}, []),
        ("nsu=urn:plant;s=x", {"index": "2,0", "data_type": "f32", "word_order": "big", "byte_order": "big"}, []),
        ("ns=2;s=x", {}, [("address", "address_invalid")]),
        (" ", {}, [("address", "missing")]),
        ("i=1", {"index": -1}, [("index", "address_invalid")]),
        ("i=1", {"index": 1.5}, [("index", "address_invalid")]),
        ("i=1", {"index": True}, [("index", "address_invalid")]),
        ("i=1", {"index": "1;2"}, [("index", "address_invalid")]),
        ("i=1", {"data_type": "Integer"}, [("data_type", "type_invalid")]),
        ("i=1", {"colour": "green"}, [("colour", "unknown_option")]),
    ],
)
def test_addresses_are_checked_without_a_server(address, options, problems):
    found = Driver.check_address(SignalAddress("x", address, options))

    assert [(problem.field, problem.code) for problem in found] == problems
    json.dumps([problem.params for problem in found])


def test_an_index_of_a_namespace_is_refused_with_the_remedy():
    (problem,) = Driver.check_address(SignalAddress("x", "ns=2;s=Part_Count"))

    assert problem.params["hint"] == "nsu"


# Settings


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({}, []),
        ({"url": ""}, [("url", "missing")]),
        ({"url": "http://plc:4840"}, [("url", "url_invalid")]),
        ({"url": "plc:4840"}, [("url", "url_invalid")]),
        ({"url": "opc.tcp://"}, [("url", "url_invalid")]),
        ({"url": "opc.tcp://plc:notaport"}, [("url", "url_invalid")]),
        ({"url": "opc.tcp://plc:99999"}, [("url", "url_invalid")]),
        ({"url": "opc.tcp://plc:0"}, [("url", "url_invalid")]),
        ({"url": "opc.tcp://[::1"}, [("url", "url_invalid")]),
        ({"url": "opc.tcp://user:password@plc"}, [("url", "url_invalid")]),
        ({"url": "opc.tcp://a b:4840"}, [("url", "host_invalid")]),
        ({"url": 7}, [("url", "unknown_choice")]),
        ({"url": "opc.tcp://[::1]:4840/x"}, []),
        ({"timeout": "3"}, [("timeout", "not_a_number")]),
        ({"timeout": True}, [("timeout", "not_a_number")]),
        ({"timeout": 0}, [("timeout", "out_of_range")]),
        ({"timeout": math.nan}, [("timeout", "out_of_range")]),
        ({"session_timeout": 1}, [("session_timeout", "out_of_range")]),
        ({"max_nodes": 0}, [("max_nodes", "out_of_range")]),
        ({"max_nodes": 1.5}, [("max_nodes", "out_of_range")]),
        ({"security_policy": "Basic256"}, [("security_policy", "unknown_choice")]),
        ({"security_policy": "Basic256Sha256"}, [("certificate_path", "missing"), ("key_path", "missing")]),
        ({"security_policy": "Basic256Sha256", "certificate_path": "a", "key_path": "b"}, []),
        ({"security_mode": "none"}, [("security_mode", "unknown_choice")]),
        ({"allow_plain_password": "yes"}, [("allow_plain_password", "unknown_choice")]),
        ({"server_certificate_fingerprint": "AB:CD"}, [("server_certificate_fingerprint", "certificate_invalid")]),
        ({"server_certificate_fingerprint": "sha256 " + "ab:" * 31 + "CD"}, []),
        ({"colour": "green"}, [("colour", "unknown_option")]),
        ({"user": None, "certificate_path": ""}, []),
        ({"user": "x" * 5000}, [("user", "out_of_range")]),
    ],
)
def test_settings_are_checked_without_a_server(options, problems):
    found = Driver.check_options({"url": "opc.tcp://plc:4840/path", **options})

    assert [(problem.field, problem.code) for problem in found] == problems
    assert {problem.code for problem in found} <= CODES.keys()
    assert "NaN" not in json.dumps([problem.params for problem in found])


def test_a_password_in_the_address_is_refused_and_not_repeated():
    (problem,) = Driver.check_options({"url": "opc.tcp://operator:hunter2@plc:4840"})

    assert "hunter2" not in json.dumps(problem.params)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("opc.tcp://PLC:4840/a", "opc.tcp://plc:4840"),
        ("opc.tcp://plc", "opc.tcp://plc:4840"),
        (" opc.tcp://plc:48010/b ", "opc.tcp://plc:48010"),
        ("opc.tcp://[FE80::1]", "opc.tcp://[fe80::1]:4840"),
        ("opc.tcp://plc:port", "opc.tcp://plc:port"),
        ("", "opc.tcp://:4840"),
    ],
)
def test_an_endpoint_is_one_host_and_port_however_it_is_spelt(url, text):
    assert endpoint_text({"url": url}) == text


def test_empty_settings_are_defaults():
    settings = Settings.of({"url": "opc.tcp://plc/a", "user": None, "certificate_path": "", "max_nodes": 500.0})

    assert repr(settings.max_nodes) == "500"
    assert (settings.full_url, settings.timeout, settings.session_timeout) == ("opc.tcp://plc:4840/a", 5.0, 60.0)


def test_every_setting_and_every_code_has_its_line_in_the_page():
    page = (Path(__file__).parents[2] / "docs" / "drivers" / "opcua.md").read_text(encoding="utf-8")
    codes = {code for code, _field in SERVICE_CODES.values()} | set(VALUE_CODES.values())

    missing = [field.name for field in fields(Settings) if f"| `{field.name}` |" not in page]
    words = [*SIGNAL_OPTIONS, *FOREIGN_OPTIONS, *SECURITY_POLICIES, *SECURITY_MODES, *Driver.read_requests]
    missing += [word for word in words if word not in page]
    missing += [code for code in codes if f"`{code}`" not in page]
    assert not missing
