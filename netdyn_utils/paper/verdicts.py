"""The rule that turns numbers into one of four words.

A claim is cut into questions that a run answers with yes or no. Runs that differ in
their seed alone answer together; what they say is a question's answer, and the answers
are the verdict. Nothing else enters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

AGREED = 0.8  # share of the runs that makes an answer
LEAST = 3  # runs that may answer at all
VERDICTS = ("holds", "holds in part", "not decided", "does not hold")


@dataclass(frozen=True)
class Answer:
    """What the runs of one setting say to one question.

    Parameters
    ----------
    question, setting : str
    votes : tuple of bool
        One for each run.
    """

    question: str
    setting: str
    votes: tuple[bool, ...]

    @property
    def word(self) -> str:
        """Return "yes", "no" or "open".

        >>> Answer("heavy?", "mlp", (True,) * 4 + (False,)).word
        'yes'
        >>> Answer("heavy?", "mlp", (True, False, True)).word
        'open'
        """
        if len(self.votes) < LEAST:
            return "open"
        share = sum(self.votes) / len(self.votes)
        return "yes" if share >= AGREED else "no" if share <= 1 - AGREED else "open"

    def __str__(self):
        """Return the answer as one line."""
        count = f"{sum(map(bool, self.votes))} of {len(self.votes)}"
        return f"{self.question} {self.setting}: {self.word} ({count})"


def verdict(answers: Sequence[Answer]) -> str:
    """Return the word for a claim from the answers to its questions.

    Parameters
    ----------
    answers : sequence of Answer
        At least one.

    Returns
    -------
    str
        "holds" if all say yes, "does not hold" if all say no, "holds in part" if some
        say yes, "not decided" otherwise.

    Raises
    ------
    ValueError
        Without answers.

    Examples
    --------
    >>> yes, no = Answer("?", "a", (True,) * 3), Answer("?", "b", (False,) * 3)
    >>> verdict([yes, yes]), verdict([yes, no]), verdict([no, no])
    ('holds', 'holds in part', 'does not hold')
    >>> verdict([no, Answer("?", "c", (True, False))])
    'not decided'
    """
    if not answers:
        raise ValueError("a verdict needs at least one answer, got none")
    words = {answer.word for answer in answers}
    if words == {"yes"}:
        return "holds"
    if words == {"no"}:
        return "does not hold"
    return "holds in part" if "yes" in words else "not decided"
