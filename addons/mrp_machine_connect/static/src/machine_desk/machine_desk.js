import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { ListController } from "@web/views/list/list_controller";
import { listView } from "@web/views/list/list_view";

import { onMounted, onWillUnmount, useEffect, useState } from "@odoo/owl";

/** The desk: what waits, by its cause, and above it what is being done; looked at again while somebody is there. */
export class MachineDeskController extends ListController {
    static template = "mrp_machine_connect.MachineDesk";

    setup() {
        super.setup();
        this.desk = useService("machine_desk");
        this.deskState = useState(this.desk.state);
        this.orm = useService("orm");
        onMounted(() => this.deskState.desks++);
        onWillUnmount(() => this.deskState.desks--);
        // The lines come first, also after a dialog; then what is being done.
        const load = this.model.load.bind(this.model);
        this.model.load = async (...args) => {
            await load(...args);
            if (!this.reloading) {
                this.desk.refresh();
            }
        };
        let isFirst = true;
        useEffect(
            () => {
                if (!isFirst) {
                    this.reloadQuietly();
                }
                isFirst = false;
            },
            // What the list shows has changed.
            () => [
                this.deskState.causes,
                this.deskState.events,
                this.deskState.running.map(({ id, settled }) => `${id}:${settled}`).join(),
            ]
        );
    }

    async reloadQuietly() {
        const isTyping = Boolean(document.querySelector(".o_searchview_input")?.value);
        const isBusy = isTyping || document.hidden || document.querySelector(".modal, .o-dropdown--menu");
        if (isBusy || this.model.root?.selection?.length || this.reloading || !this.model.isReady) {
            return;
        }
        this.reloading = true;
        try {
            await this.model.load();
        } finally {
            this.reloading = false;
        }
    }

    /** @param {number} remedy id of what is to be left as far as it is */
    async stop(remedy) {
        await this.orm.call("mrp.machine.remedy", "action_stop", [[remedy]]);
        await this.desk.refresh();
    }
}

registry.category("views").add("mrp_machine_desk", { ...listView, Controller: MachineDeskController });
