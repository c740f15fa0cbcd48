from . import machine_door
