"""One claim of the paper, with the answers that its verdict is made of."""

from dataclasses import dataclass, field

from .verdicts import Answer, verdict


@dataclass(frozen=True)
class Claim:
    """One claim and what the runs say to it.

    Parameters
    ----------
    name : str
        A word for it.
    claimed : str
        What the paper says, in a sentence.
    answers : tuple of Answer
    test, null : str
        What a number is compared with; what would give the same without the claim.
    published : str
        What the paper reports.
    figure : str
        Name of the figure that shows it.
    """

    name: str
    claimed: str
    answers: tuple[Answer, ...] = field(repr=False)
    test: str
    null: str
    published: str
    figure: str

    @property
    def verdict(self) -> str:
        """Return one of the four words."""
        return verdict(self.answers)

    def of(self, question: str) -> tuple[Answer, ...]:
        """Return the answers to one question."""
        return tuple(a for a in self.answers if a.question == question)

    @property
    def questions(self) -> tuple[str, ...]:
        """Return the questions, each once."""
        return tuple(dict.fromkeys(answer.question for answer in self.answers))

    def _repr_markdown_(self) -> str:
        """Return verdict and answers as a table, a row for each."""
        rows = [
            f"{self.claimed} **Verdict: {self.verdict}.**",
            "",
            "| Question | Setting | Mean ± spread | 95 % of mean | Bound | Answer |",
            "|---|---|---|---|---|---|",
        ]
        for answer in self.answers:
            low, high = answer.interval
            cells = (
                answer.question,
                answer.setting,
                answer.told,
                f"{low:.3g} to {high:.3g}",
                f"{'>' if answer.yes == 'above' else '<'} {answer.bound:g}",
                f"**{answer.word}**",
            )
            rows.append(f"| {' | '.join(cells)} |")
        return "\n".join(rows)
