import { scanBarcode } from "@web/core/barcode/barcode_dialog";
import { isBarcodeScannerSupported } from "@web/core/barcode/barcode_video_scanner";
import { _t } from "@web/core/l10n/translation";
import { RPCError } from "@web/core/network/rpc";
import { registry } from "@web/core/registry";
import { useBus, useService } from "@web/core/utils/hooks";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";

import { Component, useRef, useState } from "@odoo/owl";

// What Odoo itself takes as a command for its buttons.
const COMMAND = /^(OBT|OCD)/;

/** The field where a scanner types, a person enters a code, or a phone's camera reads one; below it what the code means. */
export class MachineScan extends Component {
    static template = "mrp_machine_connect.MachineScan";
    static props = { ...standardWidgetProps };

    setup() {
        this.orm = useService("orm");
        this.input = useRef("input");
        this.state = useState({ code: "", message: "", kind: "info", isBusy: false });
        this.hasCamera = isBarcodeScannerSupported();
        this.waiting = [];
        // A scanner at the keyboard is heard wherever the cursor is, but not where somebody types.
        useBus(useService("barcode").bus, "barcode_scanned", (event) => {
            if (!COMMAND.test(event.detail.barcode)) {
                this.scan(event.detail.barcode);
            }
        });
    }

    onKeydown(event) {
        if (event.key === "Enter") {
            event.preventDefault();
            event.stopPropagation();
            this.enter();
        }
    }

    enter() {
        const code = this.state.code;
        this.state.code = "";
        if (this.input.el) {
            // A scanner is quicker than a rendering, and what was never drawn is not cleared by one.
            this.input.el.value = "";
            this.input.el.focus();
        }
        this.scan(code);
    }

    /** Read a code with the phone's camera. */
    async photograph() {
        const code = await scanBarcode(this.env);
        if (code) {
            this.scan(code);
        }
    }

    /** Send codes one after the other, in the order in which they were scanned. */
    async scan(code) {
        this.waiting.push(code);
        if (this.state.isBusy) {
            return;
        }
        this.state.isBusy = true;
        try {
            while (this.waiting.length) {
                await this.send(this.waiting.shift());
            }
        } finally {
            this.state.isBusy = false;
        }
    }

    async send(code) {
        try {
            const answer = await this.orm.call("mrp.machine", "action_scan", [[this.props.record.resId], code]);
            this.state.message = answer.message;
            this.state.kind = answer.is_known ? "success" : "warning";
        } catch (error) {
            if (!(error instanceof RPCError) || !error.data?.name?.startsWith("odoo.exceptions.")) {
                throw error;
            }
            this.state.message = error.data.message;
            this.state.kind = "danger";
        }
    }

    get placeholder() {
        return _t("Scan or enter a lot, an order, a component or a badge");
    }
}

registry.category("view_widgets").add("mrp_machine_scan", { component: MachineScan });
