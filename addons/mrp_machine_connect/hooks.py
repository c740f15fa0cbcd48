"""What happens once, when the addon comes and when it goes."""


def pre_init_hook(env):
    """Make the extension that the timeline's exclusion constraint needs.

    ``btree_gist`` is a trusted extension: the database's owner may create it. It is part of PostgreSQL's contrib.
    """
    env.cr.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")


def post_init_hook(env):
    """Let the service user work in every company that exists already."""
    env["res.company"]._machine_connect_join(env["res.company"].sudo().search([]))


def uninstall_hook(env):
    """Leave nothing that belongs to no one: the service user goes when nothing was written in its name."""
    user = env.ref("mrp_machine_connect.user_machine_connect", raise_if_not_found=False)
    if user:
        user.sudo().active = False
