"""How are the translation templates made? Odoo's own export, run on a copy of the template with today's code."""

import re

from . import environment, odoo_process, postgres, ready, template
from .environment import ADDONS, ROOT, Problem, say

DATES = re.compile(r'^"(?:POT-Creation|PO-Revision)-Date: .*"\n', re.MULTILINE)


def main():
    """Write ``i18n/<addon>.pot`` of each addon."""
    if not environment.addons():
        raise Problem("There is no addon to translate yet: addons/*/__manifest__.py are missing")
    ready.tools()
    template.set_up_bridges()
    _export(template.ours(), environment.addons())
    if environment.bridges():
        _export(template.with_bridges(), environment.bridges())


def _export(source, addons):
    """Write the templates of these addons from a copy of a template that holds them."""
    cluster = postgres.FAST
    database = cluster.database("pot")
    configuration = odoo_process.configuration(cluster, "pot")
    try:
        with environment.step("copying the template and updating our addons in the copy"):
            cluster.clone(cluster.database(source), database)
            template.update(cluster, database, log="update-pot")
        environment.run(
            [*odoo_process.PROGRAM, "i18n", "export", "-c", configuration, "-d", database, *addons],
            log="pot",
            problem="The translation templates could not be written.",
            env=odoo_process.variables(cluster),
        )
    finally:
        cluster.drop(database)
    for name in addons:
        path = ADDONS / name / "i18n" / f"{name}.pot"
        # Without its dates the file changes only when a text does.
        path.write_text(DATES.sub("", path.read_text()))
        say(str(path.relative_to(ROOT)))
