from . import (
    test_maintenance_equipment,
    test_maintenance_request,
    test_maintenance_security,
)
