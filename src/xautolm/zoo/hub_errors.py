"""From what huggingface_hub raises to a reason and a cure that a person can use."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from xautolm.zoo.hub import MOST_LETTERS, NO_ANSWER_CURE, UNANSWERED, HubTrouble

NETWORK_LIBRARIES = frozenset({"httpcore", "httpcore2", "httpx", "httpx2", "requests", "urllib3"})
"""What huggingface_hub has used to reach the hub, by version."""
BROKEN_OFF = frozenset(
    {"RemoteProtocolError", "ReadError", "WriteError", "CloseError", "ChunkedEncodingError"}
)
"""Errors of theirs that mean a connection which was there and is gone."""
RESUME = "Run the same command again: files that came whole stay, and only the others are fetched."
OTHER_DISK = "Free some space, or set HF_HOME to a folder on another disk."
NO_HUB_CURE = "Check HF_ENDPOINT, the proxy, and whether this network wants you to sign in first."


def explained(error: BaseException, hub_id: str, revision: str) -> dict[str, str]:
    """Return reason and cure of an error that was raised when a model was asked for, as a reply of the hub's process.

    Args:
        error: As raised by huggingface_hub.
        hub_id: Of the model.
        revision: Of the model; empty for the main branch.
    """
    trouble = _trouble(error, hub_id, revision)
    return {"reason": trouble.reason, "cure": trouble.cure}


def _trouble(error: BaseException, hub_id: str, revision: str) -> HubTrouble:
    """Return what an error means for a person; what nobody foresaw, in its own words."""
    # The client wraps some errors in one that names no reason.
    for cause in _causes(error):
        trouble = _answer(cause, hub_id, revision) or _network(cause) or _disk(cause)
        if trouble is not None:
            return trouble
    kind = type(error).__name__
    headline, _, _ = str(error).strip().partition("\n")
    reason = f"{kind}: {headline}"
    return HubTrouble(reason=reason[:MOST_LETTERS], cure=NO_ANSWER_CURE)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what it was raised from, and so on."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__


def _answer(error: BaseException, hub_id: str, revision: str) -> HubTrouble | None:
    """Return what an answer of the hub means, if the error is one."""
    from huggingface_hub import constants, errors, get_token

    page = f"{constants.ENDPOINT}/{hub_id}"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return HubTrouble(
            reason="the hub is turned off (HF_HUB_OFFLINE)",
            cure="Unset HF_HUB_OFFLINE to fetch it.",
        )
    # Before the repository that is not found, of which it is a kind.
    if isinstance(error, errors.GatedRepoError):
        return _gated(page, is_signed_in=get_token() is not None)
    if isinstance(error, errors.RevisionNotFoundError):
        return HubTrouble(
            reason=f"it has no revision {revision!r}",
            cure=f"Choose one of those at {page}/tree/main.",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return _not_found(constants.ENDPOINT, hub_id, is_signed_in=get_token() is not None)
    if isinstance(error, errors.DisabledRepoError):
        return HubTrouble(
            reason="the hub has disabled it", cure=f"Read why at {page}, or use another model."
        )
    if isinstance(error, errors.FileMetadataError):
        return HubTrouble(
            reason=f"what answers at {constants.ENDPOINT} is no model hub", cure=NO_HUB_CURE
        )
    if isinstance(error, errors.HFValidationError):
        return HubTrouble(
            reason="it is no name that the hub could have", cure="A hub id is owner/name."
        )
    # Last: most of the others are kinds of it.
    if isinstance(error, errors.HfHubHTTPError):
        return _status(
            error.response.status_code, constants.ENDPOINT, is_signed_in=get_token() is not None
        )
    return None


def _gated(page: str, *, is_signed_in: bool) -> HubTrouble:
    """Return what to do about a model for which the hub asks for an agreement."""
    if not is_signed_in:
        return HubTrouble(
            reason="it is gated, and nobody has signed in",
            cure=f"Accept its terms at {page}, then sign in with `hf auth login`.",
        )
    return HubTrouble(
        reason="it is gated, and the account whose token is set here has no access",
        cure=f"Ask for access at {page} and wait until it is granted; a fine-grained token must allow gated models.",
    )


def _not_found(endpoint: str, hub_id: str, *, is_signed_in: bool) -> HubTrouble:
    """Return what to do about a model that the hub does not show; of a private one it says the same."""
    _, _, model = hub_id.rpartition("/")
    search = f"Look for the name at {endpoint}/models?search={model}"
    if not is_signed_in:
        return HubTrouble(
            reason="the hub has no such model, or it is private and nobody has signed in",
            cure=f"{search}; for a private model, sign in with `hf auth login`.",
        )
    return HubTrouble(
        reason="the hub has no such model, or it is private and the account whose token is set here may not see it",
        cure=f"{search}; for a private model, use the token of an account that may see it.",
    )


def _status(status: int, endpoint: str, *, is_signed_in: bool) -> HubTrouble:
    """Return what a status of HTTP means that says nothing about the model."""
    if status == 401:
        return HubTrouble(
            reason="the hub does not accept the token that is set here (HTTP 401)",
            cure="Replace it with `hf auth login`, or unset HF_TOKEN.",
        )
    if status == 403:
        return HubTrouble(
            reason="the hub forbids it to the token that is set here (HTTP 403)",
            cure="Give the token the right to read models, or use another.",
        )
    if status == 429:
        more = "" if is_signed_in else " Who is signed in (`hf auth login`) may ask more often."
        return HubTrouble(
            reason="the hub is asked too often from here (HTTP 429)",
            cure=f"Wait some minutes.{more}",
        )
    if status >= 500:
        return HubTrouble(
            reason=f"the hub itself is in trouble (HTTP {status})",
            cure=f"Try again later, or use a model that is on this machine; asked was {endpoint}.",
        )
    return HubTrouble(reason=f"the hub answers HTTP {status}", cure=NO_HUB_CURE)


def _network(error: BaseException) -> HubTrouble | None:
    """Return what an error of the network means, if the error is one."""
    from huggingface_hub.constants import ENDPOINT

    name = type(error).__name__
    text, _, _ = str(error).strip().partition("\n")
    # By names: which of these libraries is installed depends on the version of huggingface_hub.
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    # A page for people in place of an answer: an address that is no hub, or a network that wants a person to sign in.
    if name == "JSONDecodeError":
        return HubTrouble(reason=f"what answers at {ENDPOINT} is no model hub", cure=NO_HUB_CURE)
    if "Consistency check failed" in text or isinstance(error, ConnectionError):
        return HubTrouble(reason="the connection to the hub broke off", cure=RESUME)
    if not packages & NETWORK_LIBRARIES and not isinstance(error, TimeoutError):
        return None
    if "Timeout" in name:
        return HubTrouble(reason=f"{UNANSWERED} ({ENDPOINT})", cure=NO_ANSWER_CURE)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return HubTrouble(
            reason=f"the certificate of {ENDPOINT} is not accepted",
            cure="Behind a company's proxy, name a file with its certificates in SSL_CERT_FILE.",
        )
    if name == "ProxyError":
        return HubTrouble(
            reason=f"the proxy does not reach the hub ({text})",
            cure="Check HTTPS_PROXY and NO_PROXY.",
        )
    if name in BROKEN_OFF:
        return HubTrouble(reason="the connection to the hub broke off", cure=RESUME)
    reason = f"the hub cannot be reached at {ENDPOINT} ({text})"
    return HubTrouble(reason=reason[:MOST_LETTERS], cure=NO_ANSWER_CURE)


def _disk(error: BaseException) -> HubTrouble | None:
    """Return what an error of the disk means, if the error is one."""
    from huggingface_hub.constants import HF_HUB_CACHE

    if not isinstance(error, OSError):
        return None
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return HubTrouble(
            reason=f"the disk of the hub cache is full ({HF_HUB_CACHE})", cure=OTHER_DISK
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}:
        return HubTrouble(
            reason=f"the hub cache cannot be written ({HF_HUB_CACHE})",
            cure="Set HF_HOME to a folder that can be written.",
        )
    return None
