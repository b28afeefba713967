"""What the OpenAPI document cannot tell `generate_client`: what is left out, and what things are called."""

from __future__ import annotations

LEFT_OUT = {
    "csrfToken": "for pages of a browser, which act by cookie",
    "registerDevice": "browsers ask by themselves",
    "renewBoundSession": "browsers ask by themselves",
    "readRevocations": "a stream for verifiers: ostiary.client.RevocationFeed",
    "readStatusList": "a signed list for verifiers of other makers; its reader checks the signature",
    "forward": "proxies ask",
    "forwardBrowser": "proxies ask",
    "jwks": "for verifiers: ostiary.client.RemoteKeys",
    "healthz": "for whoever watches over the process",
    "readyz": "for whoever watches over the process",
}
"""Operations of the document that the client does not have, and why. Every other one it has."""

NAMES = {
    "register": "auth.register",
    "login": "auth.login",
    "logout": "auth.logout",
    "refresh": "auth.refresh",
    "replacePassword": "auth.replace_password",
    "beginPasskeySignIn": "auth.begin_passkey",
    "signInWithPasskey": "auth.show_passkey",
    "showSecondFactor": "auth.show_second_factor",
    "sendSecondFactor": "auth.send_second_factor",
    "beginPasskeySecondFactor": "auth.begin_passkey_second_factor",
    "showPasskeySecondFactor": "auth.show_passkey_second_factor",
    "beginSignInElsewhere": "auth.begin_elsewhere",
    "listProviders": "auth.providers",
    "requestMagicLink": "magic_links.request",
    "confirmMagicLink": "magic_links.confirm",
    "stepUp": "step_up.with_password",
    "beginPasskeyStepUp": "step_up.begin_passkey",
    "stepUpWithPasskey": "step_up.with_passkey",
    "me": "account.me",
    "changeMe": "account.change",
    "verifyEmail": "account.verify_email",
    "changeEmail": "account.change_email",
    "resendEmail": "account.resend_email",
    "exportAccount": "account.export",
    "eraseAccount": "account.erase",
    "keepAccount": "account.keep",
    "changePassword": "passwords.change",
    "checkPassword": "passwords.check",
    "requestPasswordReset": "passwords.request_reset",
    "confirmPasswordReset": "passwords.confirm_reset",
    "beginPasskey": "passkeys.begin",
    "addPasskey": "passkeys.add",
    "getSecondFactors": "second_factors.standing",
    "beginTotp": "second_factors.begin_totp",
    "confirmTotp": "second_factors.confirm_totp",
    "removeTotp": "second_factors.remove_totp",
    "renewRecoveryCodes": "second_factors.renew_recovery_codes",
    "beginPhone": "second_factors.begin_phone",
    "confirmPhone": "second_factors.confirm_phone",
    "removePhone": "second_factors.remove_phone",
    "forgetBrowsers": "second_factors.forget_browsers",
    "listApiKeys": "api_keys.list",
    "makeApiKey": "api_keys.create",
    "rotateApiKey": "api_keys.rotate",
    "revokeApiKey": "api_keys.revoke",
    "beginLink": "connections.begin",
    "endOtherSessions": "sessions.end_others",
    "makeSocketTicket": "sessions.socket_ticket",
    "listKeptProviders": "admin.providers.list",
    "keepProvider": "admin.providers.keep",
    "listCspReports": "admin.csp_reports.list",
    "clearCspReports": "admin.csp_reports.clear",
    "listHolders": "admin.roles.holders",
    "findRights": "admin.accounts.find_rights",
    "readRights": "admin.accounts.rights",
}
"""Where an operation is found. One that is not named is found by its path, and called by what its id adds to that."""

GROUPS = {
    "auth": "Signing in and out.",
    "step_up": "Proving once more, inside a session, who one is (RFC 9470).",
    "magic_links": "Signing in by a link or a code in a letter.",
    "account": "The caller's own account.",
    "passwords": "Passwords: change, weigh, reset.",
    "passkeys": "The caller's passkeys. What a browser answers is handed on as it came.",
    "second_factors": "The caller's second factors.",
    "api_keys": "The caller's API keys.",
    "connections": "The caller's accounts at other providers.",
    "sessions": "The caller's signed-in devices.",
    "admin.providers": "The providers of the house; for its keeper.",
    "admin.csp_reports": "What browsers reported; for the keeper of the house.",
    "admin.permissions": "What the house itself asks for; for its keepers.",
    "admin.roles": "Permissions that are given together; for keepers, who give what they have.",
    "admin.accounts": "What other accounts may do, by which roles; for keepers.",
}
"""What a group is for; without words here, its name says it."""

SHAPES = {
    "SecondFactorAnswer": "SecondFactorOwed",
    "PasswordChangeAnswer": "PasswordChangeOwed",
    "MfaAnswer": "SecondFactors",
    "WayAnswer": "WayElsewhere",
    "Weighed": "WeighedPassword",
}
"""Names of shapes, where it is not the document's own without `Answer`, or `Body`."""

UNIONS = {
    frozenset({"SignedIn", "SecondFactorOwed", "PasswordChangeOwed"}): "SignInResult",
}
"""Names of answers that are one of several shapes."""

SIGNS_OUT = {"logout", "eraseAccount"}
"""Operations after which nothing is left of the session."""

SECRETS = {
    "access_token", "refresh_token", "api_key", "ticket", "secret", "uri", "qr_svg", "recovery_codes",
    "authorization_url",
}  # fmt: skip
"""Members of answers that no `repr` shows."""

OPEN = {"api_keys", "passkeys", "password", "password_change_required", "token_type"}
"""Members whose names sound like secrets and which are none."""
