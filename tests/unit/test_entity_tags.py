"""The same document has the same tag, and whoever has it already is told so."""

import pytest

from machine_connect.entity_tags import canonical_json, entity_tag, is_known

TAG = entity_tag(b"{}")


def test_the_same_value_has_the_same_tag():
    assert canonical_json({"b": [1, 2.5, "ä"], "a": None}) == '{"a":null,"b":[1,2.5,"ä"]}'.encode()
    assert entity_tag(canonical_json({"a": 1, "b": 2})) == entity_tag(canonical_json({"b": 2, "a": 1}))
    assert entity_tag(canonical_json({"a": 1})) != entity_tag(canonical_json({"a": 2}))
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (TAG, True),
        (f"W/{TAG}", True),
        (f'"x, y", {TAG}', True),
        ("*", True),
        (None, False),
        ("", False),
        ('"x"', False),
        (TAG.strip('"'), False),
        ('"' * 10_000, False),
    ],
)
def test_if_none_match(header, expected):
    assert is_known(header, TAG) is expected
