"""From where may somebody call? Networks as people write them: addresses and CIDR (RFC 4632), apart by spaces."""

from ipaddress import ip_address, ip_network


def unfit(networks):
    """Return the first word that is no network; None where all are."""
    for word in networks.split():
        try:
            ip_network(word)
        except ValueError:
            return word
    return None


def is_within(address, networks):
    """Return whether an address lies in one of the networks; what is no address, and no network, lets nobody in.

    >>> is_within("192.168.10.7", "10.0.0.7 192.168.10.0/24")
    True
    """
    try:
        caller = ip_address(address or "")
        return any(caller in ip_network(network) for network in networks.split())
    except ValueError:
        return False
