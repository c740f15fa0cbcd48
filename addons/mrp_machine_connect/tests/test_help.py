"""Does each field that a person sets or reads on our configuration screens say what it is for?"""

from lxml import etree

from odoo.tests import TransactionCase, tagged

#: What is configured: these models' own fields are looked at, wherever a form or list of ours shows them.
MODELS = {
    "mrp.machine",
    "mrp.machine.code",
    "mrp.machine.connection",
    "mrp.machine.signal",
    "mrp.machine.source",
    "mrp.machine.source.key",
    "mrp.machine.source.translation",
    "mrp.machine.source.translation.line",
    "mrp.machine.source.translation.try",
    "mrp.machine.template",
    "mrp.machine.template.signal",
    "res.config.settings",
}
#: Odoo's own notions, the same on each of its screens: their label says all.
KNOWN_TO_ALL = {"active", "company_id", "create_uid", "sequence"}
SUBVIEWS = ("form", "list", "kanban")


@tagged("post_install", "-at_install")
class TestHelp(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        core = cls.env["ir.module.module"].search([("name", "=", "mrp_machine_connect")])
        cls.ours = set((core | core.downstream_dependencies()).mapped("name"))

    def shown(self):
        """Return ``{(model, field)}`` of what the forms and lists of our addons show."""
        found = set()
        views = self.env["ir.ui.view"].search([("type", "in", ("form", "list"))])
        names = views.get_external_id()
        for view in views:
            if names[view.id].partition(".")[0] in self.ours:
                self.look(etree.fromstring(view.arch_db), view.model, found)
        return found

    def look(self, node, model, found):
        """Note the fields below a node of a view; those in the lists and forms of an x2many are the comodel's."""
        for child in node.iterchildren(etree.Element):
            inner = model
            if child.tag == "field" and child.get("name") and model in self.env:
                hidden = {child.get("invisible"), child.get("column_invisible")} & {"1", "True"}
                field = self.env[model]._fields.get(child.get("name"))
                if field is None:
                    continue
                if not hidden:
                    found.add((model, field.name))
                if child.xpath("./" + " | ./".join(SUBVIEWS)):
                    inner = field.comodel_name
            self.look(child, inner, found)

    def test_every_field_of_ours_that_is_shown_has_help(self):
        shown = {
            (model, name)
            for model, name in self.shown()
            if model in MODELS and self.ours & set(self.env[model]._fields[name]._modules)
        }
        self.assertEqual({model for model, _name in shown}, MODELS)
        lacking = {
            f"{model}.{name}"
            for model, name in shown
            if name not in KNOWN_TO_ALL and not self.env[model]._fields[name].help
        }

        self.assertEqual(sorted(lacking), [])
