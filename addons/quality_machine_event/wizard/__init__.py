from . import (
    quality_machine_contain,
    quality_machine_hold_place,
    quality_machine_hold_release,
    quality_machine_measurement_upload,
)
