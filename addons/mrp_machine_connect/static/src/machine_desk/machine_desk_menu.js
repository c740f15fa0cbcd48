import { patch } from "@web/core/utils/patch";
import { useService } from "@web/core/utils/hooks";
import { NavBar } from "@web/webclient/navbar/navbar";

import { onMounted, onPatched, useState } from "@odoo/owl";

import { MENU } from "./machine_desk_service";

/** The menu «Exceptions» says how many causes wait; as an attribute, so that its name stays its name. */
patch(NavBar.prototype, {
    setup() {
        super.setup();
        const state = useState(useService("machine_desk").state);
        const show = () => {
            const causes = state.causes;
            const entry = document.querySelector(`.o_menu_sections [data-menu-xmlid="${MENU}"]`);
            if (entry && causes) {
                entry.dataset.figure = causes > 99 ? "99+" : causes;
            } else if (entry) {
                delete entry.dataset.figure;
            }
        };
        onMounted(show);
        onPatched(show);
    },
});
