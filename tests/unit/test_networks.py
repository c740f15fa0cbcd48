import pytest

from machine_connect.networks import is_within, unfit


@pytest.mark.parametrize(
    ("address", "networks", "expected"),
    [
        ("192.168.10.7", "10.0.0.7 192.168.10.0/24", True),
        ("10.0.0.7", "10.0.0.7", True),
        ("fd00::7", "fd00::/64", True),
        ("192.168.11.7", "10.0.0.7 192.168.10.0/24", False),
        ("fd00::7", "0.0.0.0/0", False),
        ("", "0.0.0.0/0", False),
        (None, "0.0.0.0/0", False),
        ("somewhere", "0.0.0.0/0", False),
        ("10.0.0.7", "", False),
        ("10.0.0.7", "hall 10.0.0.7", False),
    ],
)
def test_only_an_address_within_is_let_in(address, networks, expected):
    assert is_within(address, networks) is expected


def test_the_first_word_that_is_no_network_is_named():
    assert unfit("10.0.0.7 hall 192.168.10.1/24") == "hall"
    assert unfit("192.168.10.1/24") == "192.168.10.1/24"  # a host with a mask is none
    assert unfit("10.0.0.7 192.168.10.0/24") is None
    assert unfit("") is None
