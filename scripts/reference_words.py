"""What no code can tell: the meanings and introductions that `generate_reference` puts into its pages."""

from __future__ import annotations

JOURNAL_ENTRIES = {
    "account.deleted": "The keeper deleted an account; what was personal in its entries can be read no more.",
    "account.lapsed": "An account whose address was never proven was deleted when its time was over.",
    "account.opened": "An account was opened, provisional until its address is proven.",
    "account.profile_changed": "Its owner changed the profile; `fields` names what.",
    "account.status_changed": "An account was deactivated or activated.",
    "account.unlocked": "The keeper opened a locked name to strangers again.",
    "address.claimed": "An account says that an address is its own.",
    "address.proof_refused": "A confirmation link was unknown, used, too old, or its claim was gone.",
    "address.proven": "The link in the letter was used: the address is the account's own.",
    "attempt.refused": "A limit or the lockout refused before anything was checked; `reason` is the problem's slug.",
    "journal.break_found": "The house had to go on from an end that is not its own; `what` says which part.",
    "key.killed": "The keeper destroyed a key at once.",
    "key.published": "A key was made, at a first start or for a rotation; it is used from `activates_at` on.",
    "login.failed": "A wrong pair of name and password; the account stays empty if the name is nobody's.",
    "login.refused": "The password was right, but `reason` is an account status that lets nobody in.",
    "login.succeeded": "A sign-in; `methods` as in RFC 8176.",
    "password.changed": "The owner replaced the password; their other sessions ended in the same unit.",
    "password.recheck_failed": "A password asked again inside a session was wrong.",
    "session.ended": "A session ended; `reason` says why.",
    "session.grace_used": "A racing tab showed the last refresh token within the grace and got the same successor.",
    "session.started": "A device was signed in.",
    "session.theft_detected": "A refresh token that was already exchanged came again (RFC 9700 section 4.14.2).",
}

LIMITS = {
    "login.address.minute": ("failed logins", "client address", "429", "login_failures_per_minute"),
    "login.address.hour": ("failed logins", "client address", "429", "login_failures_per_hour"),
    "login.name": ("failed logins", "name, whoever has it or nobody", "429, then 423", "lockout_failures"),
    "login.account": ("failed logins by any of its names", "account", "401, unchecked", "lockout_failures"),
    "login.device": ("failed logins of a known browser", "account and device", "429, then 423", "lockout_failures"),
    "signup.address": ("new accounts", "client address", "429", "signups_per_hour"),
    "letters.mailbox": ("letters that strangers can cause", "mailbox", "no letter", "letters_per_hour"),
    "recheck.account": ("wrong passwords inside a session", "account", "429", "rechecks"),
    "challenge.once": ("uses of a solution", "challenge", "as without it", "challenge"),
    "challenge.solved": ("solutions", "all; past 10, 40, 160 the work doubles", "nobody is refused", "challenge"),
    "weighing.address": ("passwords weighed", "client address, by each process", "429", "weighings_per_minute"),
}
"""What each limit counts, for whom, how it answers, and its setting in the section `protection`."""

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
also has `at`, `request_id`, and `account_id` and `session_id` where they are known. The caller's address and agent, and
the fields called private, are sealed under the account's own key (without an account, under the house's): they go when
the account goes. Why and how: [storage](../explanation/storage.md).

| entry | meaning | fields | private | written in |
|---|---|---|---|---|
"""

LIMITS_INTRO = """
Each is counted by one atomic write, before anything costly or telling happens. A window begins with the first that is
counted. A right password gives back what it spent on addresses and forgets the failures of its name or device. IPv6
counts by /64; names and addresses are stored as keyed digests; refusals carry `Retry-After`.

| limit | counts | for each | allows | then shut for | answer | setting |
|---|---|---|---|---|---|---|
"""

LIMITS_END = """
The settings stand in [`[protection]`](settings.md#protection). Why the sixth failure is answered by 429 and the next by
423: [decision 8](../decisions/0008-429-before-423.md).
"""
