"""From bytes to text: which encoding a file is in, and what to say when that cannot be known."""

from __future__ import annotations

import codecs

from xautolm.errors import DataError, UsageError

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
"""First bytes of a file, the codec that they call for, and what people call it."""

WINDOWS = "cp1252"
"""Windows-1252, as Python calls it."""
SAMPLE_BYTES = 4096
"""First bytes of a file that are looked at to tell UTF-16."""
NULS_OF_UTF16 = 0.3
"""Share of every second byte that is zero, from which on a text is taken for UTF-16: in texts of Latin letters it is
almost 1, in UTF-8 it is 0."""
CODECS_OF_UTF16 = ("utf-16-le", "utf-16-be")
CODECS_OF_UTF32 = ("utf-32-le", "utf-32-be")
ESCAPE = b"\x1b"
"""What shifts between letters in the encodings of ISO 2022, all of whose bytes are ASCII."""
CODECS_OF_ISO_2022 = {
    "iso2022_jp": "ISO-2022-JP",
    "iso2022_jp_ext": "ISO-2022-JP",
    "iso2022_kr": "ISO-2022-KR",
}
"""Codecs of Python, and the names of what they read."""
WIDER_CODECS = {
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "big5": "cp950",
}
"""Codecs of Python, and those with further characters that programs write under the same name."""
CONTEXT_BYTES = 12
"""Bytes before and after a wrong one that a message shows."""


def check_encoding(encoding: str | None) -> None:
    """Refuse an encoding that Python does not know.

    Raises:
        UsageError: With names that are usual.
    """
    if encoding is None:
        return
    try:
        "a".encode(encoding)
    except LookupError:
        raise UsageError(
            "Unknown encoding.",
            got=f"--encoding {encoding}",
            fix="Usual ones: utf-8, utf-16, cp1252 (Windows), latin-1, cp1251, shift_jis, gb18030.",
        ) from None


def decoded(content: bytes, place: str, encoding: str | None = None) -> tuple[str, tuple[str, ...]]:
    """Return a file's text and what a person should know of how it was decoded.

    A byte order mark, and text that can only be UTF-8, win over the encoding that was named: in a folder where that
    suits one file, another may well be in UTF-8.

    Args:
        content: The whole file.
        place: Its name, for messages and notes.
        encoding: A codec that the user named; UTF-8 by default.

    Raises:
        DataError: It is not in that encoding; the message says what it looks like.
    """
    for mark, marked_codec, name in BYTE_ORDER_MARKS:
        if not content.startswith(mark):
            continue
        text = _strictly(content, marked_codec, place)
        if name == "UTF-8":
            return text, ()
        return text, (f"{place} read as {name}, as its first bytes say",)

    if encoding is not None and not _is_surely_utf8(content, encoding):
        return _in_named_encoding(content, place, encoding)
    # UTF-16 of ASCII letters is valid UTF-8 with a zero in every second place, so it is looked for first.
    codec = _utf32_without_mark(content)
    if codec is not None:
        raise _looks_like(content, place, "UTF-32: every fourth byte is zero", codec)
    codec = _utf16_without_mark(content)
    if codec is not None:
        raise _looks_like(content, place, "UTF-16: every second byte is zero", codec)
    codec = _iso_2022(content) if encoding is None else None
    if codec is not None:
        raise _looks_like(content, place, f"{CODECS_OF_ISO_2022[codec]}: it has its escapes", codec)
    notes: tuple[str, ...] = ()
    if encoding is not None and codecs.lookup(encoding).name != "utf-8":
        notes = (f"{place} read as UTF-8, which it can only be, not as {encoding}",)
    return _strictly(content, "utf-8", place), notes


def _is_surely_utf8(content: bytes, encoding: str) -> bool:
    """Return whether bytes form valid UTF-8 and hardly anything else: beyond ASCII, they hardly do so by chance.

    Args:
        content: The whole file.
        encoding: The codec that the user named.
    """
    if content.isascii():
        # A line end of several bytes, as in UTF-16, has a zero.
        has_wide_letters = len("\n".encode(encoding)) > 1
        return has_wide_letters and b"\x00" not in content
    return _attempt(content, "utf-8") is not None


def _in_named_encoding(content: bytes, place: str, encoding: str) -> tuple[str, tuple[str, ...]]:
    """Return a file's text in the encoding that the user named, and a note where another one fits better.

    Raises:
        DataError: It is not in that encoding.
    """
    codec = codecs.lookup(encoding).name
    wider_codec = WIDER_CODECS.get(codec)
    if wider_codec is not None and _attempt(content, codec) is None:
        wider_text = _attempt(content, wider_codec)
        if wider_text is not None:
            return wider_text, (
                f"{place} read as {wider_codec}: it has characters that {codec} lacks",
            )
    text = _strictly(content, encoding, place)
    is_latin1 = codec == "iso8859-1"
    if is_latin1 and any("\x80" <= character <= "\x9f" for character in text):
        # Latin-1 has control characters where Windows-1252 has quotes, dashes and the euro; browsers do the same.
        windows_text = _attempt(content, WINDOWS)
        if windows_text is not None:
            return windows_text, (
                f"{place} read as Windows-1252 ({WINDOWS}): it has characters that Latin-1 lacks",
            )
    return text, ()


def _looks_like(content: bytes, place: str, name_and_sign: str, codec: str) -> DataError:
    return DataError(
        f"{place} looks like {name_and_sign}.",
        got=repr(content[:CONTEXT_BYTES]),
        fix=f'Read it with --encoding {codec} (in Python: encoding="{codec}").',
    )


def _utf32_without_mark(content: bytes) -> str | None:
    """Return the codec that reads the beginning: no other text has code points below 0x110000 in each four bytes."""
    sample = content[:SAMPLE_BYTES]
    sample = sample[: len(sample) // 4 * 4]
    for codec in CODECS_OF_UTF32:
        text = _attempt(sample, codec)
        # Zeros only are no text.
        if text and text.strip("\x00"):
            return codec
    return None


def _iso_2022(content: bytes) -> str | None:
    """Return the codec that reads the escapes in ASCII bytes as letters; a terminal's colours are none."""
    if ESCAPE not in content or not content.isascii():
        return None
    for codec in CODECS_OF_ISO_2022:
        text = _attempt(content, codec)
        if text is not None and not text.isascii():
            return codec
    return None


def _utf16_without_mark(content: bytes) -> str | None:
    """Return the codec if every second byte is zero often enough."""
    sample = content[:SAMPLE_BYTES]
    pairs = max(len(sample) // 2, 1)
    zeros_at_even = sample[0::2].count(0) / pairs
    zeros_at_odd = sample[1::2].count(0) / pairs
    if zeros_at_odd > NULS_OF_UTF16 and zeros_at_even < NULS_OF_UTF16 / 2:
        return "utf-16-le"
    if zeros_at_even > NULS_OF_UTF16 and zeros_at_odd < NULS_OF_UTF16 / 2:
        return "utf-16-be"
    return None


def _strictly(content: bytes, codec: str, place: str) -> str:
    try:
        return content.decode(codec)
    except UnicodeDecodeError as error:
        raise _not_decodable(content, codec, place, error) from None


def _not_decodable(content: bytes, codec: str, place: str, error: UnicodeDecodeError) -> DataError:
    """Return an error that names the line and what the file looks like."""
    start = error.start
    # Line ends are \n, \r\n or \r; the larger count has all of a kind once.
    line_feeds = content.count(b"\n", 0, start)
    carriage_returns = content.count(b"\r", 0, start)
    line = max(line_feeds, carriage_returns) + 1
    where = f"{place}, line {line}"
    name = codec.upper().removesuffix("-SIG")
    around = content[max(start - CONTEXT_BYTES, 0) : start + CONTEXT_BYTES]
    is_cut_off = error.reason in ("unexpected end of data", "truncated data")
    if is_cut_off and not content[:start].isascii():
        problem = f"{where}: not valid {name}; the file ends inside a character."
        return DataError(problem, got=repr(around), fix="Was it cut off? Fetch or write it again.")
    if name == "UTF-8" and _is_mostly_utf8(content):
        return DataError(
            f"{where}: not valid UTF-8, in which most lines are.",
            got=repr(around),
            fix="Were two encodings put together, or was a character cut? Write this line in UTF-8.",
        )
    utf16_codec = _utf16_by_line_ends(content)
    if utf16_codec is not None and name == "UTF-8":
        return _looks_like(content, place, "UTF-16: it has such line ends", utf16_codec)
    windows_text = _attempt(content, WINDOWS)
    if windows_text is None or name != "UTF-8":
        return DataError(
            f"{where}: not valid {name}.",
            got=repr(around),
            fix='Name the encoding it was written in with --encoding NAME (in Python: encoding="NAME").',
        )
    # Of the lines around, the one with most characters beyond ASCII holds the wrong byte.
    sample_lines = around.decode(WINDOWS, errors="replace").split("\n")
    sample = max(sample_lines, key=_beyond_ascii).strip()
    return DataError(
        f"{where}: not valid UTF-8; it may be Windows-1252, in which this reads {sample!r}.",
        got=repr(content[start : start + 4]),
        fix=f"If that is right, read it with --encoding {WINDOWS}; else name its encoding, such as cp1251 or gb18030.",
    )


def _is_mostly_utf8(content: bytes) -> bool:
    """Return whether, of the lines with bytes beyond ASCII, more are valid UTF-8 than not."""
    valid = 0
    invalid = 0
    for line in content.split(b"\n"):
        if line.isascii():
            continue
        if _attempt(line, "utf-8") is None:
            invalid += 1
        else:
            valid += 1
    return valid > invalid


def _utf16_by_line_ends(content: bytes) -> str | None:
    """Return the codec in which bytes have line ends, a zero beside each; letters beyond Latin have no zeros."""
    for codec in CODECS_OF_UTF16:
        text = _attempt(content, codec)
        if text is not None and "\n" in text:
            return codec
    return None


def _beyond_ascii(text: str) -> int:
    count = 0
    for character in text:
        if not character.isascii():
            count += 1
    return count


def _attempt(content: bytes, codec: str) -> str | None:
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        return None
