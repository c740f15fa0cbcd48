from . import (
    test_companies,
    test_energy,
    test_labour,
    test_layers,
    test_locked_period,
    test_matrix,
    test_order_of_values,
    test_rejects,
    test_screens,
    test_shadow,
)
