{
    "name": "Machine Connect Accounting",
    "summary": "What machines made is valued once, in the order of their own time, in periods that are open",
    "version": "19.0.1.0.0",
    "category": "Supply Chain/Manufacturing",
    "author": "Machine Connect",
    "license": "LGPL-3",
    "depends": ["mrp_machine_connect", "mrp_account"],
    "data": [
        "views/mrp_workorder_views.xml",
        "views/account_move_views.xml",
        "views/res_config_settings_views.xml",
    ],
    "auto_install": True,
    "post_init_hook": "post_init_hook",
    "uninstall_hook": "uninstall_hook",
}
