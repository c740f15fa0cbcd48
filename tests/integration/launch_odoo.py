"""Odoo as its own command starts it: ``python -m odoo`` cannot start the process that a prefork server needs beside it."""

from odoo.cli.command import main

if __name__ == "__main__":
    main()
