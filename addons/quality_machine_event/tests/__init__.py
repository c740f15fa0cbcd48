from . import (
    test_quality_check,
    test_quality_demo,
    test_quality_desk,
    test_quality_doors,
    test_quality_machine_alert,
    test_quality_measurement,
    test_quality_recall,
    test_quality_rule,
    test_quality_security,
)
