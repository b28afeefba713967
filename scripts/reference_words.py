"""What no code can tell: the meanings and introductions that `generate_reference` puts into its pages."""

from __future__ import annotations

JOURNAL_ENTRIES = {
    "account.deleted": "The keeper deleted an account; what was personal in its entries can be read no more.",
    "account.disown_refused": 'A link that says "this wasn\'t me" was unknown, used or too old.',
    "account.disowned": 'The owner said "this wasn\'t me": everything ended, the password was forgotten.',
    "account.erased": "An account was erased, after its grace or at the keeper's word: nothing personal is left.",
    "account.erasure_asked": "Owner or keeper asked to erase an account: it was closed, and is erased at `due_at`.",
    "account.exported": "Everything about the account was written out, for its owner or by the keeper.",
    "account.keep_refused": "A link that keeps an account was unknown, used, too old, or of another erasure.",
    "account.kept": "An erasure was cancelled: by the letter's link, by \"this wasn't me\", or by the keeper.",
    "account.lapsed": "An account whose address was never proven was deleted when its time was over.",
    "account.opened": "An account was opened, provisional until its address is proven.",
    "account.permission_granted": "The keeper let the account do something; `permission` names it.",
    "account.permission_revoked": "The keeper took a permission back; it is gone from every session at once.",
    "account.profile_changed": "Its owner changed the profile; `fields` names what.",
    "account.returned": "The keeper opened a closed account for the owner of an address.",
    "account.reviewed": "Strangers failed so often, since the owner last acted, that the account is under review.",
    "account.status_changed": "An account was deactivated or activated.",
    "account.unlock_refused": "A link that opens a locked account was unknown, used, too old, or of before a reset.",
    "account.unlocked": "The keeper, or the owner by mail, opened a locked name to strangers again.",
    "account.machine_opened": "The keeper opened an account for a machine, which has neither password nor address.",
    "address.claim_dropped": "An open claim fell, because it may have been made by somebody else than the owner.",
    "address.claimed": "An account says that an address is its own.",
    "address.proof_refused": "A confirmation link was unknown, used, too old, or its claim was gone.",
    "address.proven": "The link in the letter was used: the address is the account's own.",
    "alert.raised": "The keepers were alerted; `details` is what left the house, `facts` what did not.",
    "alert.test_sent": "The keeper tried the ways on which alerts go.",
    "apikey.issued": "An API key was made for the account; `scopes` and `expires_at` say what bounds it.",
    "apikey.refused": "An API key opened nothing: unknown, secret, revoked, rotated, expired, address or account.",
    "apikey.revoked": "An API key was revoked; `reason` says by whom.",
    "apikey.rotated": "An API key got a new secret; the old one is good until `overlap_ends_at`.",
    "attempt.refused": "A limit or the lockout refused before anything was checked; `reason` is the problem's slug.",
    "factors.forgotten": "The keeper removed every second factor of an account, and all that was granted ended.",
    "browser.all_forgotten": "The owner had every browser asked for the second factor again; `number` were remembered.",
    "browser.remembered": "A browser that has shown a second factor need not show one again for a while.",
    "factor.demanded": "What was shown is right, and the account asks for one of `methods` beside it; of a sign-in, "
    "`risk` is the verdict.",
    "factor.refused": "A second factor was `wrong`, or `used` by somebody quicker.",
    "factor.skipped": "A remembered browser was not asked for a second factor.",
    "habits.broken": "What was learned about an account's sign-ins was edited, or a later version wrote it.",
    "habits.forgotten": "What was learned about an account's sign-ins was dropped; it is learned anew.",
    "identity.access_ended": "A provider takes the kept tokens of a connection no more; `reason` says why.",
    "identity.access_kept": "Tokens that a provider gave are kept, sealed; `scopes` says what they allow.",
    "identity.address_changed": (
        "A provider says another address of its user than before, or thinks otherwise of it; the account's own stays."
    ),
    "identity.all_unlinked": "Every identity elsewhere was disconnected with all else that was granted.",
    "identity.linked": "An identity at `provider` opens the account from now on.",
    "identity.refused": "An answer from `provider` opened and connected nothing; `reason` names what was wrong.",
    "identity.unlinked": "The owner disconnected an identity.",
    "incident.step_taken": "The keeper took a step of an incident; who and why are sealed under the house's key.",
    "journal.break_found": "The house had to go on from an end that is not its own; `what` says which part.",
    "code.refused": "An answer was no recovery code of the account (`wrong`), or one that is used up (`used`).",
    "code.used": "A recovery code stood in for a second factor; so many are `left`.",
    "codes.forgotten": "Recovery codes were removed, with the last second factor or all else that was granted.",
    "codes.issued": "Recovery codes were made, with the first second factor or anew; older ones are dead.",
    "device.welcomed": "An owner let this browser in by the link of a letter: it counts as known.",
    "journal.exported": "The keeper wrote entries out; `filters` names which were set, never to what.",
    "journal.pruned": "Entries older than `before` were deleted; `strands` says which, `checkpoint` what covers them.",
    "key.killed": "The keeper destroyed a key at once.",
    "key.published": "A key was made, at a first start or for a rotation; it is used from `activates_at` on.",
    "link.offered": "A letter with a sign-in link was queued; `asked` names the request.",
    "link.refused": "A sign-in link or its code opened nothing; `reason` says why, `asked` names the request.",
    "link.requested": "Somebody asked for a sign-in link; for whom, the request does not tell.",
    "login.failed": "A wrong pair of name and password; the account stays empty if the name is nobody's.",
    "login.refused": "The proof was right, but `reason` is an account status that lets nobody in, `epoch` or `risk`.",
    "login.succeeded": "A sign-in; `methods` as in RFC 8176.",
    "login.ticket_refused": "A ticket came after its account or password had changed, twice, or outside its session.",
    "network.blocked": "A network was shut out, by the keeper or by its failures; or the house is on guard.",
    "network.unblocked": "The keeper let a network in again.",
    "passkey.added": (
        "The owner added a passkey; `aaguid` is its make, by its own word where `attestation` is `none`."
    ),
    "passkey.all_forgotten": "Every passkey of an account was removed with all else that was granted.",
    "passkey.copied": "A genuine signature showed a count that did not go up: there may be two of the authenticator.",
    "passkey.refused": "An answer of an authenticator was not believed; `reason` names the step that it failed.",
    "passkey.removed": "The owner removed a passkey.",
    "passkey.renamed": "The owner calls a passkey something else.",
    "password.change_required": "A right password opened nothing but its own replacement; `reason` says why.",
    "password.changed": "The owner replaced the password; their other sessions ended in the same unit.",
    "password.forgotten": "The account's hash was removed: no password opens it until a new one is chosen.",
    "password.recheck_failed": "A password asked again inside a session was wrong.",
    "password.ticket_refused": "A ticket to replace a password came after the account or the password had changed.",
    "phone.added": "The owner added a telephone number, by a code that was sent to it.",
    "phone.refused": "A code that was to add a number was wrong, used, too old, or of another session.",
    "phone.removed": "A telephone number was removed: by its owner, for another one, or with all else of lately.",
    "provider.added": "The keeper set up a provider that people may sign in at; `host` is its issuer's.",
    "provider.changed": "The keeper set a provider up anew.",
    "provider.removed": "The keeper removed a provider; nobody signs in there any more.",
    "reports.cleared": "A keeper had the reports of violated content policies forgotten; `groups` says how many.",
    "password.reset_completed": "A new password was chosen by the link in a letter; every session ended.",
    "password.reset_offered": "A letter for a new password was queued; `asked_by` is the id of the request.",
    "password.reset_refused": "A link for a new password was unknown, used, too old, or bound to what has changed.",
    "password.reset_requested": "Somebody asked for a letter for a new password; for whom, the request does not tell.",
    "session.elsewhere_refused": "A genuine token of a bound session came without its device: a copy, or a browser "
    "that could not renew it.",
    "session.ended": "A session ended; `reason` says why.",
    "session.grace_used": "A racing tab showed the last refresh token within the grace and got the same successor.",
    "session.key_registered": "A browser has registered a key: the session goes on at that device alone.",
    "session.proof_refused": "Somebody with the session's cookies, or with an offer that was taken up, showed no right "
    "key for it.",
    "session.started": "A device was signed in.",
    "session.strengthened": "Its owner has proven anew who they are, by `methods` and no others.",
    "spraying.seen": "One wrong password was tried for so many `names` in an hour.",
    "stuffing.seen": "So many `names` failed at first in ten minutes, those that succeeded taken off.",
    "totp.added": "The owner set up an authenticator app, by a code that it showed.",
    "totp.enrolment_started": "A secret for an authenticator app was shown; it is no factor yet.",
    "totp.forgotten": "An authenticator app was removed with all else that was granted, or lately granted.",
    "totp.refused": "A code of an authenticator app proved nothing; `reason` says why.",
    "totp.removed": "The owner removed the authenticator app.",
    "totp.replaced": "The owner set up another authenticator app; the one before is dead.",
    "text.failed": "A text message was not taken; `reason` in a word, `provider` is the provider's own number for it.",
    "text.refused": "No text was sent because a day's budget is used up; `prefix` is the country's.",
    "text.sent": "A text message with a code was handed over; `purpose` says what for, `prefix` where to.",
    "role.changed": "A role permits more or less now, for all its holders, or another word is said about it.",
    "role.created": "A role was made, by a keeper or at the command line.",
    "role.deleted": "A role was deleted; `holders` is how many accounts lost what it permitted.",
    "role.granted": "The account was given a role; `by` is the keeper, or nobody at the command line.",
    "role.refused": "A keeper wanted to give or take what is not theirs, or to leave nobody who may; see `reason`.",
    "role.revoked": "A role was taken back from the account; `by` is the keeper, or nobody at the command line.",
    "session.theft_detected": "A refresh token that was already exchanged came again (RFC 9700 section 4.14.2).",
}

LIMITS = {
    "login.address.minute": ("failed logins", "", "429", "login_failures_per_minute"),
    "login.address.hour": (
        "failed logins", "", "429; then the address is blocked to strangers (403)", "login_failures_per_hour",
    ),
    "login.name": ("failed logins", "whoever has it, or nobody", "429, then 423", "lockout_failures"),
    "login.account": ("failed logins by any of its names", "", "401, unchecked", "lockout_failures"),
    "login.device": ("failed logins of a known browser", "with its account", "429, then 423", "lockout_failures"),
    "login.proven": (
        "logins to a locked name, each with a proof of work", "and name", "429, then 423", "proven_failures",
    ),
    "login.total": (
        "logins of strangers until the owner signs in, unlocks by mail, or the keeper does; also of each known browser",
        "", "401, unchecked; a known browser is treated as a stranger's",
        "most_failures",
    ),
    "reset.address": ("letters asked for by who cannot sign in", "", "429", "resets_per_hour"),
    "signup.address": ("new accounts", "", "429", "signups_per_hour"),
    "letters.mailbox": ("letters that strangers can cause", "", "no letter", "letters_per_hour"),
    "passkey.address": (
        "passkeys that were refused", "or for a known browser with its account", "429", "passkey_failures_per_minute",
    ),
    "link.address": ("sign-in links asked for", "", "429", "links_per_hour"),
    "link.device": ("letters with a sign-in link", "a known browser with its account", "no letter", "links_per_hour"),
    "link.code": ("codes of one sign-in link", "whether or not a letter went out", "429", "link_code_failures"),
    "link.account": (
        "codes of all its sign-in links", "a known browser has its own", "401, unchecked", "link_failures_per_day",
    ),
    "text.address": ("texts caused", "", "429", "texts_per_address"),
    "text.account": ("texts caused", "", "429", "texts_per_hour"),
    "text.number": ("texts to it", "whoever causes them", "429", "texts_per_number"),
    "text.code": ("codes that were to add a number", "across codes sent anew", "429", "text_failures_per_day"),
    "text.prefix": ("texts to all its numbers", "in the database", "429; an alert", "text_budget_of_prefix"),
    "text.all": ("texts", "in the database", "429; an alert", "text_budget"),
    "second_factor.account": (
        "wrong second factors", "or for a known browser with its account", "429", "second_factor_failures",
    ),
    "second_factor.day": (
        "the same", "or for a known browser with its account", "429", "second_factor_failures_per_day",
    ),
    "apikey.address": (
        "wrong API keys, each once", "by each process", "429, before the database is asked",
        "api_key_failures_per_minute",
    ),
    "elsewhere.address": ("ways to a provider", "", "429", "sign_ins_elsewhere_per_minute"),
    "recheck.account": ("wrong passwords inside a session", "", "429", "rechecks"),
    "enrolment.account": ("wrong codes while a second factor is set up", "", "429", "enrolment_codes"),
    "export.account": ("exports of everything about an account", "", "429", "exports_per_day"),
    "weighing.address": ("passwords weighed", "by each process", "429", "weighings_per_minute"),
    "spray.pair": ("one wrong password for one name", "with a name", "not counted twice below", "spraying_names"),
    "spray.password": ("names that one wrong password was tried for", "", "on guard: 429", "spraying_names"),
    "stuffing.name": ("attempts for one name, whose outcome is told", "", "not counted twice below", "stuffing_names"),
    "stuffing.names": (
        "names that fail at first, less those that succeed", "", "on guard: 429", "stuffing_names",
    ),
    "csp.address": ("reports of violated policies", "by each process", "204, uncounted", "csp_reports_per_minute"),
    "csp.all": (
        "reports of violated policies", "by each process", "204, uncounted", "csp_reports_per_minute_in_all",
    ),
    "challenge.once": ("uses of a solution", "", "as without it", "challenge"),
    "challenge.solved": ("solutions; past 10, 40 and 160 the work doubles", "", "nobody is refused", "challenge"),
    "anonymous": ("requests that show no credential", "in memory, shared out", "429", "anonymous_per_minute"),
    "signed-in": ("requests", "in memory, shared out", "429", "signed_in_per_minute"),
}  # fmt: skip
"""What each limit counts, what more there is to say of its counters, how it answers, and its setting."""

PERMISSIONS_INTRO = """
What the house itself asks for, at its keeper's routes, page and feed; an application has words of its own besides, such
as `books:lend`. They are given by [roles](../guides/roles.md), or directly. `ostiary role add keeper
--all-of-the-house` makes a role of them all; a later version may have more, which are added by `ostiary role permit
keeper --all-of-the-house`.

| permission | what it opens |
|---|---|
"""

SETTINGS_INTRO = """
Read from `ostiary.toml` in the data folder; over that from the environment; over that from what a program passes to
`Ostiary.at`. An unknown or unsafe setting stops the start and is named.

```toml
[web]
public_url = "https://login.example.org"

[sessions]
idle_lifetime = "P14D"   # a duration in ISO 8601; a bare number is seconds
```

`OSTIARY_WEB__PUBLIC_URL` is the same in the environment: section and setting in capitals, two underscores for each
dot; durations in ISO 8601, lists as JSON. `OSTIARY_DATA` names the data folder itself.
"""

PROBLEMS_INTRO = """
Every refusal is `application/problem+json` (RFC 9457). The last part of `type` is the slug below: programs compare
that, people read `title`. `request_id` names the request in logs and journal; `errors[]` names the fields at fault;
`retry_after` (and the header `Retry-After`) says when a repetition can succeed.

| slug | status | title |
|---|---|---|
"""

JOURNAL_INTRO = """
Each is written in the transaction of what it tells; a refusal's entry is written though its deed is undone. Every entry
also has `at`, `request_id`, and `account_id` and `session_id` where they are known,
and `by_key` where an API key did it. The caller's address and agent, and
the fields called private, are sealed under the account's own key (without an account, under the house's): they go when
the account goes. Why and how: [storage](../explanation/storage.md).

| entry | meaning | fields | private | written in |
|---|---|---|---|---|
"""

ALERTS_INTRO = """
What keepers are told, once for each subject and quiet time ([`[alerts]`](settings.md#alerts)): by the log, by letter
and by signed webhooks ([how to receive them](../guides/alerts-and-webhooks.md)). The `type` of a webhook is `alert.`
and the kind. `critical` wants somebody now, `warning` today, `notice` is good to know. Some kinds are raised by parts
that watch for them, and are never seen where those are switched off.

| kind | severity | what happened | what to do |
|---|---|---|---|
"""

ALERTS_END = """
Nothing personal leaves the house in an alert: ids and numbers do. What is personal stands in the journal, sealed:
`ostiary journal list --action alert.raised`.
"""

LIMITS_INTRO = """
Each is counted by one atomic write, before anything costly or telling happens. A window begins with the first that is
counted. A right password gives back what it spent on addresses and forgets the failures of its name or device. IPv6
counts by /64; names and addresses are stored as keyed digests; refusals carry `Retry-After`, those by a number (429)
`RateLimit-Policy` and `RateLimit` as well (draft-ietf-httpapi-ratelimit-headers-10). An address that is not known (no
trusted proxy says it) has no counter: one for everybody would be a weapon. *On guard* means: for the time of
`attack_lasts` strangers need a proof of work. The two in memory belong to each process and are shared out: of three
processes each allows a third. How many counters are kept: [bounds](../explanation/limits.md#bounds).

| limit | counts | for each | allows | then shut for | answer | setting |
|---|---|---|---|---|---|---|
"""

LIMITS_END = """
The settings stand in [`[protection]`](settings.md#protection). Why the sixth failure is answered by 429 and the next by
423: [decision 8](../decisions/0008-429-before-423.md).
"""
