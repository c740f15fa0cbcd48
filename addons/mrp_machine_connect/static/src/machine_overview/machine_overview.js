import { registry } from "@web/core/registry";
import { KanbanController } from "@web/views/kanban/kanban_controller";
import { kanbanView } from "@web/views/kanban/kanban_view";

import { onMounted, onWillUnmount } from "@odoo/owl";

const RELOAD_MS = 10000;

/** The overview as it is on the floor: read again while somebody looks at it and does nothing else with it. */
export class MachineOverviewController extends KanbanController {
    setup() {
        super.setup();
        let timer;
        onMounted(() => (timer = setInterval(() => this.reloadQuietly(), RELOAD_MS)));
        onWillUnmount(() => clearInterval(timer));
    }

    async reloadQuietly() {
        // The box of the search has the focus as soon as the screen opens; somebody is busy with it who types.
        const isTyping = Boolean(document.querySelector(".o_searchview_input")?.value);
        const isBusy = isTyping || document.hidden || document.querySelector(".modal, .o-dropdown--menu");
        if (isBusy || this.model.root.selection?.length || this.reloading) {
            return;
        }
        this.reloading = true;
        try {
            await this.model.load();
        } finally {
            this.reloading = false;
        }
    }
}

registry.category("views").add("mrp_machine_overview", { ...kanbanView, Controller: MachineOverviewController });
