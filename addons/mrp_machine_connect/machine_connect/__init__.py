"""What a machine says, in the words of the field: readings, counters, states, events, drivers.

This package knows no Odoo. It is imported by the addon as ``odoo.addons.mrp_machine_connect.machine_connect``
and by a process of its own as ``machine_connect``: relative imports only, and nothing but JSON between the two.
"""
