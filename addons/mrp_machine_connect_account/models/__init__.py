from . import (
    account_move,
    mrp_machine,
    mrp_machine_energy,
    mrp_machine_event_posting,
    mrp_machine_interval,
    mrp_machine_poster,
    mrp_production,
    mrp_workorder,
    product_product,
    res_company,
    res_config_settings,
    stock_move,
)
