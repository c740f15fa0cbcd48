"""How are the translation templates made? Odoo's own export, run on a copy of the template with today's code."""

from . import environment, odoo_process, postgres, ready, template
from .environment import Problem, say


def main():
    """Write ``i18n/<addon>.pot`` of each addon."""
    if not environment.addons():
        raise Problem("There is no addon to translate yet: addons/*/__manifest__.py are missing")
    ready.tools()
    template.set_up()
    cluster = postgres.FAST
    database = cluster.database("pot")
    configuration = odoo_process.configuration(cluster, "pot")
    try:
        with environment.step("copying the template and updating our addons in the copy"):
            cluster.clone(cluster.database(template.ours()), database)
            template.update(cluster, database, log="update-pot")
        environment.run(
            odoo_process.command(configuration, "i18n", "export", "-d", database, *environment.addons()),
            log="pot",
            problem="The translation templates could not be written.",
            env=odoo_process.variables(cluster),
        )
    finally:
        cluster.drop(database)
    for name in environment.addons():
        say(f"addons/{name}/i18n/{name}.pot")
