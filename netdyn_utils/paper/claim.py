"""One claim of the paper, with the answers that its verdict is made of."""

from dataclasses import dataclass, field

from .verdicts import Answer, from_to, plus_minus, tally, verdict


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

    @property
    def told(self) -> str:
        """Return the verdict and its counts: "holds in part (1 yes, 2 no)"."""
        return f"{self.verdict} ({tally(self.answers)})"

    def of(self, question: str) -> tuple[Answer, ...]:
        """Return the answers to one question."""
        return tuple(a for a in self.answers if a.question == question)

    @property
    def questions(self) -> tuple[str, ...]:
        """Return the questions, each once."""
        return tuple(dict.fromkeys(answer.question for answer in self.answers))

    def _repr_markdown_(self) -> str:
        """Return the verdict, and folded a table for each question, a row a setting."""
        parts = [f"{self.claimed} **{self.told.capitalize()}.**"]
        parts += ["<details><summary>Answers, setting by setting</summary>"]
        for question in self.questions:
            answers = self.of(question)
            rule = f"(Yes {answers[0].yes} {answers[0].bound:g}.)"
            parts += [f"{question} {rule}", _table(answers)]
        return "\n\n".join([*parts, "</details>"])


def _table(answers: tuple[Answer, ...]) -> str:
    rows = ["| Setting | Answer | Mean ± spread | 95 % of the mean | Runs |"]
    rows.append("|---|---|---|---|---|")
    for answer in answers:
        mean, runs = plus_minus(answer.mean, answer.spread), f"{len(answer.held)}"
        ends = from_to(answer.interval, answer.spread, answer.bound)
        cells = answer.setting, answer.word, mean, ends, runs
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
