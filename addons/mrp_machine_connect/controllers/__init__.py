from . import door, machine_events, machine_health
