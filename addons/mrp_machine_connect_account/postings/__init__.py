from . import mrp_machine_handler
