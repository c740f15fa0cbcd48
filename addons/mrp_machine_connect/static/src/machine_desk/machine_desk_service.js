import { registry } from "@web/core/registry";
import { user } from "@web/core/user";

import { reactive } from "@odoo/owl";

const OFTEN_MS = 1000;
const DESK_MS = 5000;
const ELSEWHERE_MS = 30000;
export const MENU = "mrp_machine_connect.mrp_machine_exception_menu";

/** How much waits for a person, and what is being done about it: asked while somebody is in the app. */
export const machineDeskService = {
    dependencies: ["orm", "menu"],

    start(env, { orm, menu }) {
        const state = reactive({ causes: 0, events: 0, running: [], desks: 0, mayDecide: false });
        let timer, asking, mayRead;

        const isHere = () => {
            const app = menu.getCurrentApp();
            return app?.xmlid === "mrp_machine_connect.mrp_machine_connect_menu_root";
        };

        async function refresh() {
            clearTimeout(timer);
            if (asking) {
                return asking;
            }
            asking = ask();
            try {
                await asking;
            } finally {
                asking = undefined;
                clearTimeout(timer);
                const often = state.running.length ? OFTEN_MS : DESK_MS;
                timer = setTimeout(refresh, state.desks ? often : ELSEWHERE_MS);
            }
        }

        async function ask() {
            if (document.hidden || (!isHere() && !state.desks)) {
                return;
            }
            mayRead ??= await user.hasGroup("mrp_machine_connect.group_operator");
            if (!mayRead) {
                return;
            }
            state.mayDecide = await user.hasGroup("mrp_machine_connect.group_supervisor");
            try {
                Object.assign(state, await orm.silent.call("mrp.machine.exception", "desk", []));
            } catch {
                // The next look tells; a figure on a menu is no reason for an error dialog.
            }
        }

        env.bus.addEventListener("MENUS:APP-CHANGED", refresh);
        return { state, refresh };
    },
};

registry.category("services").add("machine_desk", machineDeskService);
