// Settings of Node-RED for flow.json: node-red -s settings.js flow.json
module.exports = {
    // From this host only. Whoever reaches the editor reads the key: set adminAuth before you open it to others.
    uiHost: "127.0.0.1",
    uiPort: process.env.PORT || 1880,
    flowFile: "flow.json",
    // What is not delivered yet is kept in a file, written once a second and when Node-RED ends.
    contextStorage: { default: { module: "localfilesystem", config: { flushInterval: 1 } } },
    // Without it the functions could not sign.
    functionExternalModules: true,
    logging: { console: { level: "info", metrics: false, audit: false } },
};
