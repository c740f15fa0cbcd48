from . import (
    test_bad_input_words,
    test_mrp_machine,
    test_mrp_machine_event,
    test_mrp_machine_interval,
    test_mrp_machine_poller,
    test_mrp_machine_poster,
    test_mrp_machine_retention,
    test_mrp_machine_security,
    test_mrp_machine_watch,
    test_mrp_workorder,
    test_wizards,
    test_wizards_of_signals,
)
