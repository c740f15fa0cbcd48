"""An OPC UA server on loopback, in a thread of its own: what the addon's tests browse, read and are refused by."""

import asyncio
import threading

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager

from ..machine_connect.drivers.opcua_wire import library

NAMESPACE = "urn:plant:tests"
SECURED = (ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,)


class _Users(UserManager):
    def __init__(self, users):
        self._users = users

    def get_user(self, iserver, username=None, password=None, certificate=None):
        if self._users and self._users.get(username) != password:
            return None
        return User(role=UserRole.User, name=username)


class OpcUaDevice:
    """Serves a folder «Press» with State, Good, Program and a folder «Axes» on a free port of 127.0.0.1.

    :param dict users: name -> password; without any, everybody is let in
    :param policies: of asyncua's SecurityPolicyType
    :param certificate: paths of certificate (DER) and key (PEM), needed for policies other than none
    :param validator: asyncua's hook that looks at the certificates of clients
    """

    def __init__(self, users=None, policies=None, certificate=None, validator=None):
        library()  # quiets asyncua's logger
        self._users = users or {}
        self._policies = list(policies or [ua.SecurityPolicyType.NoSecurity])
        self._certificate = certificate
        self._validator = validator
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = None

    def __enter__(self):
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(self, *exception):
        if self._loop.is_closed():
            return
        self._run(self._server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self):
        return f"opc.tcp://127.0.0.1:{self.port}/plant"

    def set_value(self, name, value):
        """Write a value, with the server's own time."""
        self._run(self._nodes[name].write_value(value))

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    async def _start(self):
        server = self._server = Server(user_manager=_Users(self._users))
        await server.init()
        server.set_endpoint("opc.tcp://127.0.0.1:0/plant")
        server.set_server_name("Plant of the tests")
        server.set_security_policy(self._policies)
        if self._users:
            server.set_identity_tokens([ua.UserNameIdentityToken])
        if self._certificate:
            await server.load_certificate(self._certificate[0], "der")
            await server.load_private_key(self._certificate[1])
        if self._validator:
            server.set_certificate_validator(self._validator)
        index = await server.register_namespace(NAMESPACE)
        folder = await server.nodes.objects.add_object(ua.NodeId("Press", index), f"{index}:Press")
        kinds = ua.VariantType
        self._nodes = {
            name: await folder.add_variable(ua.NodeId(name, index), f"{index}:{name}", value, kind)
            for name, value, kind in (
                ("State", 6, kinds.Int32),
                ("Good", 48_211, kinds.UInt32),
                ("Program", "BRACKET-A4", kinds.String),
            )
        }
        await folder.add_object(ua.NodeId("Axes", index), f"{index}:Axes")
        await server.start()
        self.port = server.bserver._server.sockets[0].getsockname()[1]
