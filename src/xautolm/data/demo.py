"""Support tickets in five classes, generated for the demo, with ambiguity and noise so that no model is perfect.

Each ticket is an opening, a complaint of its class, and often a second sentence; some complaints fit two classes,
some words are misspelt, and a few labels are wrong, as in real queues.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

LABEL_NOISE = 0.04
"""Share of tickets whose class is drawn anew, so that it is mostly wrong."""
TYPO_RATE = 0.25
"""Share of tickets with two letters swapped."""
AMBIGUOUS = 0.15
"""Share of tickets whose complaint fits two classes."""
CLASS_SHARES = (0.3, 0.25, 0.2, 0.15, 0.1)
"""Share of each class, in the order of `COMPLAINTS`, among the tickets whose complaint fits one class."""

OPENINGS = (
    "Hi,",
    "Hello team,",
    "Good morning.",
    "Hey there,",
    "To whom it may concern,",
    "Hi support,",
    "Second time I write:",
    "Quick question:",
    "Urgent!",
    "Not happy at all.",
    "",
    "",
    "",
)
PRODUCTS = (
    "the blue kettle",
    "my headphones",
    "the standing desk",
    "order 4417",
    "the winter jacket",
    "two lamps",
    "the phone case",
    "the coffee grinder",
    "my annual plan",
    "the family plan",
    "the tablet",
    "a pair of boots",
)
TIMES = (
    "yesterday",
    "last week",
    "on Monday",
    "three days ago",
    "this morning",
    "since the update",
    "in March",
    "again",
)

COMPLAINTS = {
    "billing": (
        "I was charged twice for {product} {time}.",
        "The amount on my card is higher than the price that was shown.",
        "Please send me an invoice with our VAT number for {product}.",
        "A payment of 49.90 left my account {time} and I do not know what it is for.",
        "The discount code did not come off the total.",
        "Why did my subscription renew although I had cancelled it {time}?",
        "My bank says the transaction is pending, your site says it failed.",
    ),
    "delivery": (
        "{product} should have arrived {time} and the tracking page has not moved.",
        "The courier left the parcel with a neighbour whom I do not know.",
        "Can you change the address, I am moving house before it ships?",
        "Only half of what I ordered was in the box.",
        "The driver wrote that nobody was home, but I waited all day.",
        "How long does shipping to the islands take?",
        "Tracking says delivered {time}, there is nothing here.",
    ),
    "returns": (
        "{product} does not fit, how do I send it back?",
        "I would like to exchange {product} for a smaller size.",
        "The return label that you mailed cannot be printed.",
        "I sent {product} back {time} and have heard nothing.",
        "Do I have to pay for the postage when something is faulty?",
        "It broke after two uses, I want my money or a new one.",
        "The colour is nothing like the picture, please take it back.",
    ),
    "account": (
        "I cannot log in, the reset mail never comes.",
        "Please delete my profile and everything you know about me.",
        "How do I change the mail address that I sign in with?",
        "Somebody else seems to be using my account {time}.",
        "The code for the second factor is always rejected.",
        "I have two accounts by mistake, can they be merged?",
        "My name is misspelt in the settings and the field is locked.",
    ),
    "technical": (
        "The app closes as soon as I open the camera, {time}.",
        "{product} will not connect to the wireless network.",
        "The page stays white after I press save.",
        "After the update the battery lasts two hours.",
        "Search finds nothing although the item is there.",
        "The sound stutters whenever the screen turns off.",
        "I get error 502 when I upload a picture {time}.",
    ),
}
SHARED = (
    ("billing", "returns", "I returned {product} and the refund is not on my card yet."),
    ("billing", "account", "I can no longer see my invoices after signing in."),
    ("delivery", "returns", "{product} came damaged, the box was crushed."),
    ("technical", "account", "It says session expired every time I open the app."),
    ("technical", "returns", "{product} does not switch on, what now?"),
    ("billing", "delivery", "I paid for express and it came {time}, after eight days."),
)
CLOSINGS = (
    "Please help.",
    "What can you do about it?",
    "I am waiting for your answer.",
    "Thanks in advance.",
    "This is the last time I buy here.",
    "Any idea?",
    "I attached a picture.",
    "Call me if that is easier.",
    "",
    "",
    "",
    "",
)


def support_tickets(count: int = 900, seed: int = 0) -> pd.DataFrame:
    """Return generated tickets with the columns `text` and `label`.

    Args:
        count: Number of tickets; texts may repeat, as short tickets do.
        seed: Same seed, same tickets.
    """
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str]] = []
    for _ in range(count):
        rows.append(_ticket(rng))
    return pd.DataFrame(rows, columns=["text", "label"])


def _ticket(rng: np.random.Generator) -> tuple[str, str]:
    """Return a text and its label; the order of the draws is part of what a seed promises."""
    labels = list(COMPLAINTS)
    if rng.random() < AMBIGUOUS:
        number = rng.integers(len(SHARED))
        first, second, complaint = SHARED[number]
        # Either class is as right, so that nobody can learn which.
        label = first if rng.random() < 0.5 else second
    else:
        position = rng.choice(len(labels), p=CLASS_SHARES)
        label = labels[position]
        complaint = str(rng.choice(COMPLAINTS[label]))

    # Not every complaint has places for them, but both are drawn for each.
    product = rng.choice(PRODUCTS)
    time = rng.choice(TIMES)
    sentence = complaint.format(product=product, time=time)
    # A product that begins the sentence is written in lower case.
    capitalized = sentence[0].upper() + sentence[1:]
    opening = str(rng.choice(OPENINGS))
    closing = str(rng.choice(CLOSINGS))
    # Some openings and closings are empty.
    parts = [part for part in (opening, capitalized, closing) if part]
    text = " ".join(parts)

    if rng.random() < TYPO_RATE:
        text = _with_typo(text, rng)
    if rng.random() < LABEL_NOISE:
        label = str(rng.choice(labels))
    return text, label


def _with_typo(text: str, rng: np.random.Generator) -> str:
    """Swap two neighbouring letters."""
    # Not the first one, and not the full stop.
    last = max(2, len(text) - 2)
    position = int(rng.integers(1, last))
    following = position + 1
    letters = list(text)
    # A ticket is a sentence at least, so there is always a letter that follows.
    letter = letters[position]
    letters[position] = letters[following]
    letters[following] = letter
    return "".join(letters)
