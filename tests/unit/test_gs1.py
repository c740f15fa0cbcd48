"""What scanned codes say by GS1: the vectors of GS1's own tests, labels as scanners send them, and what is refused."""

import csv
import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machine_connect import gs1
from machine_connect.gs1 import FNC1, Gs1Invalid, elements, parse, unbracketed
from tests.unit.mapping_feed import mapping, told

FOLDER = Path(__file__).parent / "cases" / "gs1"
VECTORS = list(csv.DictReader((FOLDER / "ai_parse_vectors.csv").read_text(encoding="utf-8").splitlines()))
RIGHT = [row for row in VECTORS if row["ok"] == "true"]
WRONG = [row for row in VECTORS if row["ok"] == "false"]
CODES = [
    "unknown_identifier",
    "too_short",
    "too_long",
    "characters",
    "check_digit",
    "date",
    "twice",
    "bracket",
    "address",
]


# GS1's own vectors


def test_the_vectors_are_all_there():
    assert (len(RIGHT), len(WRONG)) == (12, 15)


@pytest.mark.parametrize("row", RIGHT, ids=lambda row: row["bracketed_input"])
def test_a_bracketed_form_becomes_its_element_string(row):
    assert unbracketed(row["bracketed_input"]) == row["expected_unbracketed_fnc1_as_caret"].replace("^", FNC1)


@pytest.mark.parametrize("row", RIGHT, ids=lambda row: row["bracketed_input"])
def test_an_element_string_says_what_stands_in_brackets(row):
    # Read by a pattern of its own: a bracket with a backslash before it opens nothing.
    parts = re.findall(r"(?<!\\)\((\d+)\)((?:\\\(|[^(\\])*)", row["bracketed_input"])
    said = {digits: value.replace("\\(", "(") for digits, value in parts}

    assert parse(row["expected_unbracketed_fnc1_as_caret"].replace("^", FNC1)) == said
    assert elements("]C1" + row["expected_unbracketed_fnc1_as_caret"][1:].replace("^", FNC1)) == said


@pytest.mark.parametrize("row", WRONG, ids=lambda row: row["bracketed_input"])
def test_what_is_no_bracketed_form_is_refused(row):
    with pytest.raises(Gs1Invalid) as caught:
        unbracketed(row["bracketed_input"])
    assert caught.value.code in CODES


# The dictionary


def test_the_dictionary_is_read_whole():
    known = gs1.identifiers()

    # Counted in the file: each line that begins with a digit is an identifier or a range of them.
    lines = (Path(gs1.__file__).parent / "gs1-syntax-dictionary.txt").read_text(encoding="utf-8").splitlines()
    ranges = [re.match(r"(\d+)(?:-(\d+))?", line).groups() for line in lines if line[:1].isdigit()]
    assert len(known) == sum(int(last or first) - int(first) + 1 for first, last in ranges) > 500
    assert known["01"].predefined and known["01"].most == 14
    assert not known["10"].predefined and known["10"].most == 20
    assert known["8006"].most == 18
    assert known["8018"].title == "GSRN - RECIPIENT"


def test_no_identifier_is_the_beginning_of_another():
    known = gs1.identifiers()
    assert not [(one, other) for one in known for other in known if one != other and other.startswith(one)]


# Labels as scanners send them


@pytest.mark.parametrize("prefix", ["]C1", "]d2", "]Q3", "]e0", "]J1", FNC1])
def test_a_label_says_gtin_lot_expiry_and_count(prefix):
    label = f"{prefix}010950600013435217270131" + f"10L-4711/A{FNC1}37500"

    assert elements(label + "\r\n") == {"01": "09506000134352", "17": "270131", "10": "L-4711/A", "37": "500"}


def test_a_code_of_another_symbology_is_a_name():
    assert elements("]C0WH/MO/00012") == elements("]E09506000134352") == {}
    assert gs1.plain("]C0WH/MO/00012") == "WH/MO/00012"


@pytest.mark.parametrize(
    "name", ["WH/MO/00012", "1012345", "L-4711", "01123", "https://example.org/order/7", "", "]", "(A)"]
)
def test_a_name_is_no_gs1_code(name):
    assert elements(name) == {}


def test_without_prefix_a_whole_gtin_with_its_check_digit_is_one():
    assert elements("010950600013435210ABC") == {"01": "09506000134352", "10": "ABC"}
    assert elements("010950600013435310ABC") == {}
    assert elements("00106141411234567897") == {"00": "106141411234567897"}


def test_a_separator_behind_what_needs_none_is_no_harm():
    assert elements(f"]d20109506000134352{FNC1}10ABC{FNC1}") == {"01": "09506000134352", "10": "ABC"}


def test_numeric_lots_keep_their_zeros():
    assert elements("]C1100001")["10"] == "0001"


def test_brackets_are_read_as_people_type_them():
    assert elements("(01)09506000134352(10)ABC(21)7") == {"01": "09506000134352", "10": "ABC", "21": "7"}


# Digital Link


def test_a_digital_link():
    link = "https://id.gs1.org/01/9506000134352/10/AB%2FC?17=270131&utm_source=label"
    assert elements(link) == {"01": "09506000134352", "10": "AB/C", "17": "270131"}


def test_a_digital_link_below_a_path_of_the_maker():
    link = "HTTPS://maker.example/some/01/path/01/09506000134352/22/2A/10/ABC/21/99"
    assert elements(link) == {"01": "09506000134352", "22": "2A", "10": "ABC", "21": "99"}


@pytest.mark.parametrize(
    ("link", "code"),
    [
        ("https://id.gs1.org/01/09506000134352/21/1/10/A", "address"),
        ("https://id.gs1.org/01/09506000134353", "check_digit"),
        ("https://id.gs1.org/01/09506000134352?17=271332", "date"),
        ("https://id.gs1.org/01/09506000134352?9999=1", "address"),
    ],
)
def test_a_digital_link_that_is_wrong_is_refused(link, code):
    with pytest.raises(Gs1Invalid) as caught:
        elements(link)
    assert caught.value.code == code


# What is refused


@pytest.mark.parametrize(
    ("label", "code", "identifier"),
    [
        ("]C10109506000134353", "check_digit", "01"),
        ("]C101095060001343", "too_short", "01"),
        ("]C1", "too_short", ""),
        ("]C19X", "unknown_identifier", ""),
        ("]C117271332", "date", "17"),
        ("]C117270230", "date", "17"),
        ("]C110" + "A" * 21, "too_long", "10"),
        ("]C110A#B", "characters", "10"),
        ("]C110ABC" + FNC1 + "10ABD", "twice", "10"),
        ("]C18008270131246060", "date", "8008"),
        ("]C180030123456789012", "too_short", "8003"),
        ("]C1800311234567890128", "content", "8003"),
    ],
)
def test_a_label_that_is_wrong_is_refused(label, code, identifier):
    with pytest.raises(Gs1Invalid) as caught:
        elements(label)
    assert (caught.value.code, caught.value.identifier) == (code, identifier)


@pytest.mark.parametrize("said", [{"10": 7}, {"10": ""}, {"01": "09506000134353"}, {"0": "1"}, {"10": ["A"]}])
def test_what_somebody_else_read_is_looked_at(said):
    assert gs1.checked({"10": "A"}) == {"10": "A"}
    assert gs1.checked(None) == gs1.checked("10") == {}
    with pytest.raises(Gs1Invalid):
        gs1.checked(said)


def test_a_day_that_is_left_out_is_none_that_is_wrong():
    assert elements("]C117270200") == {"17": "270200"}
    assert gs1.day("270200", date(2026, 11, 27)) == date(2027, 2, 28)


@pytest.mark.parametrize(
    ("text", "year"), [("770101", 1977), ("760101", 2076), ("260101", 2026), ("990101", 1999), ("500101", 2050)]
)
def test_the_century_is_the_nearest(text, year):
    assert gs1.day(text, date(2026, 11, 27)).year == year


# Examples of check digits from GS1's public pages: GTIN-8, 12, 13, 14 and an SSCC.
@pytest.mark.parametrize("key", ["95050003", "614141007349", "9506000134352", "10614141000415", "106141411234567897"])
def test_check_digits(key):
    assert gs1.has_check_digit(key)
    wrong = [key[:-1] + str(digit) for digit in range(10) if str(digit) != key[-1]]
    assert not any(map(gs1.has_check_digit, wrong))


@given(
    st.text(alphabet="0123456789", min_size=13, max_size=13),
    st.text(alphabet="!%&'*+-./09:;<=>?AZ_az", min_size=1, max_size=20),
    st.dates(date(2000, 1, 1), date(2049, 12, 31)),
    st.integers(1, 99_999_999),
)
def test_what_is_written_is_read(number, lot, expiry, count):
    said = {
        "01": number + str(gs1.check_digit(number)),
        "10": lot,
        "17": expiry.strftime("%y%m%d"),
        "37": str(count),
    }
    text = "".join(f"({digits}){value}" for digits, value in said.items())

    assert elements(text) == elements("]C1" + unbracketed(text)[1:]) == said


@given(st.text(max_size=60))
def test_whatever_is_scanned_is_read_or_refused(text):
    for prefix in ("", "]C1", "(10)", "https://a/01/"):
        try:
            found = elements(prefix + text)
        except Gs1Invalid as error:
            assert error.code in (*CODES, "content")
        else:
            assert all(isinstance(value, str) and value for value in found.values())


@pytest.mark.parametrize(
    ("found", "amount"),
    [
        ({"37": "500", "3103": "000750"}, (500.0, "C62")),
        ({"30": "12"}, (12.0, "C62")),
        ({"3103": "000750"}, (0.75, "KGM")),
        ({"3151": "000750"}, (75.0, "LTR")),
        ({"10": "A"}, (0.0, "")),
    ],
)
def test_amounts(found, amount):
    assert gs1.amount(found) == amount


# Signals


def test_a_lot_signal_takes_the_lot_out_of_a_label():
    found = told(mapping("lot"), (0, "L1"), (1, f"]d2010950600013435210L2{FNC1}37500"), (2, "]d210"), (3, ""))

    assert [(kind, item["value"], item.get("gtin")) for kind, _at, item in found] == [
        ("material.lot_changed", "L1", None),
        ("material.lot_changed", "L2", "09506000134352"),
        ("material.lot_changed", "]d210", None),
        ("material.lot_changed", "", None),
    ]


def test_a_scanner_signal_tells_each_scan():
    found = told(mapping("scan"), (0, ""), (1, "]C110L2"), (2, "]C110L2"), (3, ""), (4, "]C110L2"), (5, "MO/1"))

    assert [(kind, item) for kind, _at, item in found] == [
        ("identity.scan", {"value": "]C110L2", "elements": {"10": "L2"}, "signal": "S"}),
        ("identity.scan", {"value": "]C110L2", "elements": {"10": "L2"}, "signal": "S"}),
        ("identity.scan", {"value": "MO/1", "signal": "S"}),
    ]
