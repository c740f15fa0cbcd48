from . import (
    maintenance_equipment,
    maintenance_request,
    maintenance_team,
    mrp_machine,
    mrp_machine_event_posting,
    mrp_machine_exception,
)
