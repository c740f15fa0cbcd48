from . import test_quality_machine_alert, test_quality_security
