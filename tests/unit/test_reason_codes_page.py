"""Does the page of reason codes say what the code says, and is each code on it?"""

from machine_connect.openapi import PROBLEM_CODES
from tests.unit import reason_codes_page
from tests.unit.reason_codes_page import PAGE, events, let_in, renewed, requests, words


def test_the_page_is_as_the_code_is():
    page = PAGE.read_text(encoding="utf-8")

    assert renewed(page) == page, "python -m tests.unit.reason_codes_page"


def test_each_reason_with_words_is_on_the_page():
    codes = [row[0] for rows in (let_in(), requests(), events()) for row in rows]

    assert set(codes) == set(words())


def test_what_a_sender_may_be_told_is_a_reason():
    reasons = {row[0] for row in let_in()}

    assert set(PROBLEM_CODES) - {"unauthorized", "server_failed"} <= reasons


def test_a_page_that_is_behind_is_found(monkeypatch):
    monkeypatch.setitem(reason_codes_page.MADE, "held", lambda: ["| `new` | reason |"])
    page = PAGE.read_text(encoding="utf-8")

    assert renewed(page) != page
