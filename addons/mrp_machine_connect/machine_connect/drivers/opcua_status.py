"""What does a StatusCode mean for us: of a whole service, and of one value?

By OPC UA Part 4, 7.39 (StatusCode: the two highest bits are the severity, the 16 lowest are info bits that change
nothing about the meaning), Part 4, 7.39.2 (common codes), Part 8, 6.3 (codes of values) and Part 6, Annex A (numbers).
"""

#: Info bits (Part 4, 7.39.1): limit, overflow, historian.
CODE_MASK = 0xFFFF0000

#: StatusCode of one value -> why it cannot be used; whatever is not named here is ``bad_status`` or ``uncertain_status``.
VALUE_CODES = {
    0x80330000: "node_unknown",  # BadNodeIdInvalid
    0x80340000: "node_unknown",  # BadNodeIdUnknown
    0x80350000: "node_not_a_variable",  # BadAttributeIdInvalid: an object has no Value
    0x801F0000: "access_denied",  # BadUserAccessDenied
    0x803A0000: "access_denied",  # BadNotReadable
    0x80E60000: "access_denied",  # BadSecurityModeInsufficient: only on a signed or encrypted connection
    # The server answers, but the source behind it says or has nothing: what happens meanwhile is seen by nobody.
    0x809B0000: "unavailable",  # BadNoData
    0x809E0000: "unavailable",  # BadDataUnavailable
    0x808D0000: "unavailable",  # BadOutOfService
    0x808B0000: "unavailable",  # BadDeviceFailure
    0x808C0000: "unavailable",  # BadSensorFailure
    0x808A0000: "unavailable",  # BadNotConnected: a server that lost its PLC
    0x80310000: "unavailable",  # BadNoCommunication: the same, and there is no last value
    0x800A0000: "no_answer",  # BadTimeout: the device behind the server did not answer in time
}

#: StatusCode of a whole service -> code, and the option to look at first.
SERVICE_CODES = {
    # Who we are (Part 4, 6.1.3, table of certificate checks)
    0x80120000: ("certificate_rejected", "certificate_path"),  # BadCertificateInvalid
    0x80130000: ("certificate_rejected", "certificate_path"),  # BadSecurityChecksFailed: says no more on purpose
    0x80140000: ("certificate_expired", "certificate_path"),  # BadCertificateTimeInvalid: or a wrong clock
    0x80150000: ("certificate_expired", "certificate_path"),  # BadCertificateIssuerTimeInvalid
    0x80160000: ("certificate_rejected", "certificate_path"),  # BadCertificateHostNameInvalid
    0x80170000: ("certificate_rejected", "application_uri"),  # BadCertificateUriInvalid
    0x80180000: ("certificate_rejected", "certificate_path"),  # BadCertificateUseNotAllowed
    0x80190000: ("certificate_rejected", "certificate_path"),  # BadCertificateIssuerUseNotAllowed
    0x801A0000: ("certificate_rejected", "certificate_path"),  # BadCertificateUntrusted
    0x801B0000: ("certificate_rejected", "certificate_path"),  # BadCertificateRevocationUnknown
    0x801C0000: ("certificate_rejected", "certificate_path"),  # BadCertificateIssuerRevocationUnknown
    0x801D0000: ("certificate_rejected", "certificate_path"),  # BadCertificateRevoked
    0x801E0000: ("certificate_rejected", "certificate_path"),  # BadCertificateIssuerRevoked
    0x810D0000: ("certificate_rejected", "certificate_path"),  # BadCertificateChainIncomplete
    0x81140000: ("certificate_rejected", "certificate_path"),  # BadCertificatePolicyCheckFailed
    0x80580000: ("certificate_rejected", "certificate_path"),  # BadApplicationSignatureInvalid
    # What was agreed
    0x80540000: ("security_unsupported", "security_mode"),  # BadSecurityModeRejected
    0x80550000: ("security_unsupported", "security_policy"),  # BadSecurityPolicyRejected
    # How many we are
    0x80560000: ("too_many_sessions", "url"),  # BadTooManySessions
    0x80B70000: ("too_many_sessions", "url"),  # BadMaxConnectionsReached
    0x807D0000: ("device_busy", "url"),  # BadTcpServerTooBusy
    0x80810000: ("device_busy", "url"),  # BadTcpNotEnoughResources
    # Whether it is still there
    0x80050000: ("connection_lost", "url"),  # BadCommunicationError
    0x800A0000: ("connection_timeout", "url"),  # BadTimeout
    0x800C0000: ("connection_lost", "url"),  # BadShutdown
    0x800D0000: ("connection_lost", "url"),  # BadServerNotConnected
    0x800E0000: ("connection_lost", "url"),  # BadServerHalted
    0x80220000: ("connection_lost", "url"),  # BadSecureChannelIdInvalid
    0x80250000: ("connection_lost", "url"),  # BadSessionIdInvalid
    0x80260000: ("connection_lost", "url"),  # BadSessionClosed
    0x80270000: ("connection_lost", "url"),  # BadSessionNotActivated: it once was
    0x807F0000: ("connection_lost", "url"),  # BadTcpSecureChannelUnknown
    0x80860000: ("connection_lost", "url"),  # BadSecureChannelClosed
    0x80AC0000: ("connection_lost", "url"),  # BadConnectionRejected
    0x80AD0000: ("connection_lost", "url"),  # BadDisconnect
    0x80AE0000: ("connection_lost", "url"),  # BadConnectionClosed
}

#: A service that refuses who asks: which option is wrong depends on whether a user was named.
USER_REFUSED = frozenset(
    {
        0x801F0000,  # BadUserAccessDenied
        0x80200000,  # BadIdentityTokenInvalid
        0x80210000,  # BadIdentityTokenRejected
        0x80570000,  # BadUserSignatureInvalid
    }
)

#: The server takes or answers less in one request than it was asked for: ask for less.
TOO_MUCH = frozenset(
    {
        0x80080000,  # BadEncodingLimitsExceeded
        0x80100000,  # BadTooManyOperations
        0x80B80000,  # BadRequestTooLarge
        0x80B90000,  # BadResponseTooLarge
    }
)


def service_failure(status, user):
    """Return code and field of a service that failed as a whole.

    :param int status: its StatusCode
    :param str user: the user of the connection, empty if anonymous
    """
    status &= CODE_MASK
    if status in USER_REFUSED:
        return ("password_wrong", "password") if user else ("anonymous_refused", "user")
    return SERVICE_CODES.get(status, ("protocol_error", "url"))


def value_code(status):
    """Return why a value of this StatusCode is not good: a code, or an empty string for a good one."""
    if status < 0x40000000:
        return ""
    return VALUE_CODES.get(status & CODE_MASK, "bad_status" if status >= 0x80000000 else "uncertain_status")


_STATUS_NAMES = {0: "Good"}


def status_name(status):
    """Return the standard's own name of a StatusCode, without its info bits: ``BadNodeIdUnknown``."""
    status &= CODE_MASK
    name = _STATUS_NAMES.get(status)
    if name is None:
        from asyncua.ua.status_codes import code_to_name_doc

        known = code_to_name_doc.get(status)
        # A vendor may invent numbers; the number is then all there is, and it is not kept, for there are 4 billion.
        if known is None:
            return f"0x{status:08X}"
        name = _STATUS_NAMES[status] = known[0]
    return name
