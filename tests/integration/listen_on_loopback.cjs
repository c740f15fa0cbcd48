// Part of this project and under its licence, LGPL-3.
// Keeps a Node server on loopback whatever its code asks for: NODE_OPTIONS=--require=<this file> node server.js
const net = require("net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
    if (typeof args[0] === "object" && args[0] !== null && !("path" in args[0])) {
        args[0] = { ...args[0], host: "127.0.0.1" };
    } else if (typeof args[0] === "number" || /^\d+$/.test(String(args[0]))) {
        const callback = args.find((argument) => typeof argument === "function");
        args = [{ port: Number(args[0]), host: "127.0.0.1" }, ...(callback ? [callback] : [])];
    }
    return listen.apply(this, args);
};
