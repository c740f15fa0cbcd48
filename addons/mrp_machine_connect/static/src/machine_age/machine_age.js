import { _t } from "@web/core/l10n/translation";
import { formatDateTime } from "@web/core/l10n/dates";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

import { Component, onWillUnmount, useState } from "@odoo/owl";

const UPDATE_MS = 5000;

/**
 * Words a length of time for people: 8 s, 4 min, 2 h 10 min, 3 d 4 h.
 *
 * @param {number} seconds 0 or more
 * @param {boolean} exact whether minutes keep their seconds
 * @returns {string}
 */
export function formatSeconds(seconds, exact = false) {
    const total = Math.max(0, Math.round(seconds));
    if (total < 60) {
        return _t("%s s", total);
    }
    const minutes = Math.floor(total / 60);
    if (minutes < 60) {
        return exact && total % 60 ? _t("%(min)s min %(s)s s", { min: minutes, s: total % 60 }) : _t("%s min", minutes);
    }
    const hours = Math.floor(minutes / 60);
    if (hours < 24) {
        return minutes % 60 ? _t("%(h)s h %(min)s min", { h: hours, min: minutes % 60 }) : _t("%s h", hours);
    }
    const days = Math.floor(hours / 24);
    return hours % 24 ? _t("%(d)s d %(h)s h", { d: days, h: hours % 24 }) : _t("%s d", days);
}

/** How long ago a moment was, kept up to date while it is on the screen. */
export class MachineAgeField extends Component {
    static template = "mrp_machine_connect.MachineAge";
    static props = { ...standardFieldProps, ago: { type: Boolean, optional: true } };

    setup() {
        this.state = useState({ now: Date.now() });
        const timer = setInterval(() => (this.state.now = Date.now()), UPDATE_MS);
        onWillUnmount(() => clearInterval(timer));
    }

    get moment() {
        return this.props.record.data[this.props.name];
    }

    get text() {
        const words = formatSeconds((this.state.now - this.moment.toMillis()) / 1000);
        return this.props.ago ? _t("%s ago", words) : words;
    }

    get title() {
        return formatDateTime(this.moment);
    }
}

registry.category("fields").add("machine_age", {
    component: MachineAgeField,
    displayName: _t("Age"),
    supportedTypes: ["datetime"],
    supportedOptions: [{ label: _t("Say «ago»"), name: "ago", type: "boolean" }],
    extractProps: ({ options }) => ({ ago: Boolean(options.ago) }),
});

/** A number of seconds in words; nothing for 0. */
export class MachineSecondsField extends Component {
    static template = "mrp_machine_connect.MachineSeconds";
    static props = { ...standardFieldProps };

    get text() {
        const seconds = this.props.record.data[this.props.name];
        return seconds ? formatSeconds(seconds, true) : "";
    }
}

registry.category("fields").add("machine_seconds", {
    component: MachineSecondsField,
    displayName: _t("Seconds in Words"),
    supportedTypes: ["float", "integer"],
});
registry.category("formatters").add("machine_seconds", (seconds) => (seconds ? formatSeconds(seconds, true) : ""));
