"""Which component, and which lot of it, does a machine mean by its words?"""

from odoo import api, fields, models
from odoo.fields import Domain

from ..machine_connect.state import same
from ..postings.outcome import Waiting


class MachineSignal(models.Model):
    _inherit = "mrp.machine.signal"

    component_id = fields.Many2one(
        "product.product",
        string="Of the Component",
        domain=[("type", "=", "consu")],
        help="The component whose lot, or whose consumption, this signal tells. Empty: what is made.",
    )


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _component_named(self, event, production):
        """Return the component that an event names, by its signal, its GTIN, its reference or its name; empty for none.

        :raise Waiting: it names one that nobody knows, or that the order does not take
        """
        data = event.data or {}
        if event.signal_id.component_id:
            return event.signal_id.component_id.with_env(self.env)
        gtin, name = str(data.get("gtin") or "").strip(), str(data.get("product") or "").strip()
        products = self.env["product.product"]
        if not gtin and not name:
            return products
        components = production.move_raw_ids.filtered(lambda move: move.state != "cancel").product_id
        said = name or gtin
        found = components.filtered(lambda product: _is_named(product, gtin, name))
        if not found:
            found = products.search(
                Domain("company_id", "in", (False, self.company_id.id)) & _naming_domain(gtin, name), limit=2
            )
        if len(found) != 1:
            words = self.env._("Odoo knows no component «%s».", said)
            if found:
                words = self.env._("Several products are called «%s».", said)
            raise Waiting("component_unknown", words, detail=f"component:{said}")
        return found

    def _names_product(self, product, data):
        """Return whether an event names this product, rather than another one."""
        return _is_named(product, str(data.get("gtin") or "").strip(), str(data.get("product") or "").strip())

    def _component_lot(self, event, production, name):
        """Return the lot of a component that an event names.

        :raise Waiting: there is none of that name, or there are several
        """
        if event.user_id and (event.data or {}).get("lot_id"):
            chosen = self.env["stock.lot"].browse(event.data["lot_id"]).exists()
            if chosen:
                return chosen
        product = self._component_named(event, production)
        components = production.move_raw_ids.filtered(lambda move: move.state != "cancel").product_id
        lots = self.env["stock.lot"].search([("name", "=", name), ("company_id", "in", (False, self.company_id.id))])
        lots -= lots.filtered(lambda lot: lot.product_id == production.product_id)
        lots = lots.filtered(lambda lot: lot.product_id == product) if product else lots
        # Lots of two products may bear one name: what the order takes is meant.
        lots = lots.filtered(lambda lot: lot.product_id in components) or lots
        if len(lots) == 1:
            return lots
        words = {"lot": name, "products": ", ".join(lots.product_id.mapped("display_name"))}
        if lots:
            text = self.env._("Several products have a lot «%(lot)s»: %(products)s.", **words)
        elif product:
            text = self.env._("There is no lot «%(lot)s» of %(product)s.", lot=name, product=product.display_name)
        else:
            text = self.env._("No component has a lot «%(lot)s».", **words)
        raise Waiting("lot_unknown", text, detail=f"lot:{name}")

    def _amount_in(self, data, unit):
        """Return the amount that an event names in a unit, not rounded; None where it names none.

        :raise Waiting: its unit has nothing to do with it
        """
        if data.get("qty") is None:
            return None
        told = self.env["uom.uom"]._of_code(data["unit"]) if data.get("unit") else unit
        if not told or not told._has_common_reference(unit):
            raise Waiting(
                "component_unit",
                self.env._(
                    "The machine says «%(told)s», which cannot be converted to %(unit)s.",
                    told=told.name or data["unit"],
                    unit=unit.name,
                ),
            )
        return told._compute_quantity(float(data["qty"]), unit, round=False)


class MachineEventPosting(models.Model):
    _inherit = "mrp.machine.event.posting"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _remedies(self):
        _ = self.env._
        return {
            **super()._remedies(),
            "lot_unknown": _("Create the lot of the component: then this goes on by itself."),
            "not_loaded": _("See on the machine what was loaded, and load it from when on it was there; then retry."),
            "rest_too_much": _("Weigh again, or correct how much was loaded; then retry, or ignore this."),
            "component_unknown": _(
                "Choose «Of the Component» on the signal, or enter what the machine says as the product's reference or "
                "barcode, then retry."
            ),
            "component_unit": _("Correct the unit of the signal or of the component, then retry."),
            "no_component": _("Add the component to the order, then retry; or ignore this."),
            "component_lot": _(
                "Say which lot was on the machine and from when on, or enter the lots on the order, then retry."
            ),
            "consumption": _("Put right on the order what is said here, then retry; or ignore this."),
        }


def _is_named(product, gtin, name):
    if gtin:
        return bool(product.barcode) and product.barcode.zfill(14) == gtin.zfill(14)
    return any(same(said) == same(name) for said in (product.default_code, product.barcode, product.name) if said)


def _naming_domain(gtin, name):
    if gtin:
        bare = gtin.lstrip("0")
        return Domain("barcode", "in", [bare.zfill(length) for length in (8, 12, 13, 14) if len(bare) <= length])
    return Domain("default_code", "=", name) | Domain("barcode", "=", name) | Domain("name", "=", name)
