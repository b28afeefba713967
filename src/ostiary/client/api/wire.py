"""What both forms of the client hold to on the wire: where it may lead, how long it may take, what an answer is."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar
from urllib.parse import urlsplit

import msgspec

from ostiary.client.api.errors import AnswerNotUnderstood, problem

if TYPE_CHECKING:
    from ostiary.client.api.call import Call

T = TypeVar("T")

MOST_ATTEMPTS: Final = 3
REPEAT_LOST_SECONDS: Final = 0.2
PROBLEM: Final = "application/problem+json"
_CREDENTIAL = re.compile(r"[\x21-\x7E]+")
_WHERE = re.compile(r"`(\$[A-Za-z_.\[\]0-9]*)`")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the client waits for, and how much it takes.

    Attributes:
        timeout: Seconds for connecting, and for each read and write.
        deadline: Seconds for the whole of an answer, as a slow drip would last for ever otherwise; without an event
            loop they count from its headers on.
        patience: Seconds that `Retry-After` may ask in all, before the refusal is raised.
        largest_answer: Bytes of an answer; a file that is streamed has no such bound.
    """

    timeout: float = 10.0
    deadline: float = 30.0
    patience: float = 5.0
    largest_answer: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer as it came."""

    status: int
    media_type: str
    retry_after: int | None
    body: bytes = field(repr=False)

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], body: bytes) -> Heard:
        """Return an answer, its headers read."""
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        wait = headers.get("retry-after", "")
        return cls(status, media_type, int(wait) if re.fullmatch(r"[0-9]{1,7}", wait) else None, body)

    @property
    def is_success(self) -> bool:
        """Whether the house has done what was asked for."""
        return 200 <= self.status < 300


def origin_of(url: str) -> str:
    """Return the address of a house, without a / at its end.

    Raises:
        ValueError: Somebody on the way could read what is sent there, or it is not an origin.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("Write the address of the house like https://auth.example.org, without a path.")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_this_machine(parts.hostname)):
        raise ValueError("The address of the house must begin with https://.")
    return f"{parts.scheme}://{parts.netloc}"


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def headers_for(call: Call[T], credential: str | None, cookies: str | None) -> dict[str, str]:
    """Return the headers of a request; cookies only where no credential is shown, beside which they do not count.

    Raises:
        ValueError: The credential cannot be one.
    """
    found = {
        "Accept": f"application/json, {PROBLEM}",
        "Accept-Encoding": "identity",  # a bound on bytes must bound the text
        "User-Agent": "ostiary-client",
    }
    if call.body is not None:
        found["Content-Type"] = "application/json"
    if credential is not None:
        if _CREDENTIAL.fullmatch(credential) is None:  # what encodes it would raise an exception that holds it
            raise ValueError(
                "This is no API key and no token: it holds a space, a line's end or a letter that none has."
            )
        found["Authorization"] = f"Bearer {credential}"
    elif cookies is not None:
        found["Cookie"] = cookies
    return found


def pause_before_repeating(call: Call[T], heard: Heard, attempts: int, waited: float, patience: float) -> float | None:
    """Return how many seconds to wait before asking again, or None to take the answer as it is."""
    if heard.status not in (429, 503) or not call.is_idempotent or attempts >= MOST_ATTEMPTS:
        return None
    if heard.retry_after is None or waited + heard.retry_after > patience:
        return None
    return float(heard.retry_after)


def refused_as_stranger(heard: Heard) -> bool:
    """Return whether the house takes the credential for nobody's, which a renewal may mend."""
    return heard.status == 401 and heard.media_type == PROBLEM and b"/not-signed-in" in heard.body


def is_file(status: int, headers: Mapping[str, str]) -> bool:
    """Return whether an answer is what was asked for, to be read part by part."""
    return status == 200 and headers.get("content-type", "").startswith("application/json")


def read(call: Call[T], heard: Heard) -> T:
    """Return an answer in its shape.

    Raises:
        ApiProblem: It is a refusal.
        AnswerNotUnderstood: It is nothing that this operation answers.
    """
    if not heard.is_success:
        raise_refusal(call, heard)
    if heard.media_type != "application/json":
        raise AnswerNotUnderstood(f"{call.operation}: the answer is no JSON.")
    return _shaped(call, _decoded(call.operation, heard.body))


def raise_refusal(call: Call[T], heard: Heard) -> NoReturn:
    """Raise what an answer that is no success says.

    Raises:
        ApiProblem: It is a refusal.
        AnswerNotUnderstood: It leads elsewhere.
    """
    if heard.status < 400:  # a redirect would carry what was sent to whomever it names
        raise AnswerNotUnderstood(f"{call.operation}: the answer was {heard.status}; redirects are not followed.")
    document: object = {}
    if heard.media_type == PROBLEM:
        document = _decoded(call.operation, heard.body)
    raise problem(call.operation, heard.status, document if isinstance(document, dict) else {}, heard.retry_after)


def _decoded(operation: str, body: bytes) -> object:
    with suppress(msgspec.DecodeError, RecursionError, UnicodeError):
        return msgspec.json.decode(body)
    # Outside of the handler: no chained exception carries what came.
    raise AnswerNotUnderstood(f"{operation}: the answer is broken JSON.")


def _shaped(call: Call[T], value: object) -> T:
    members = value.keys() if isinstance(value, dict) else frozenset()
    kind = call.answers[0]
    if len(call.answers) > 1:
        kind = next((kind for kind in call.answers if _needed(kind) <= members), kind)
    where = ""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = _WHERE.search(str(error))  # the message may hold a value, its place never does
        where = f" at {found[1]}" if found else ""
    raise AnswerNotUnderstood(f"{call.operation}: the answer is not of the documented shape{where}.")


def _needed(kind: Any) -> frozenset[str]:  # noqa: ANN401 - any dataclass
    return frozenset(one.name for one in fields(kind) if one.default is MISSING)
