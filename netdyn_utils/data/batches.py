"""Character text, and batches of tensors in memory."""

import hashlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from ..validation import check_positive_int

PANGRAM_TEXT = "thequickbrownfoxjumpsoverthelazydog" * 100


class CharText:
    """Sequences of `length` characters; targets are the same, one character later.

    The default text is the pangram of Zhang & Tang (2025), without spaces, 100 times.
    It is periodic, so a test split would contain nothing new: there is none.

    >>> text = CharText("abracadabra", length=4)
    >>> text.inputs.shape, text.decode(text.inputs[0]), text.decode(text.targets[0])
    (torch.Size([7, 4]), 'abra', 'brac')
    """

    def __init__(self, text: str = PANGRAM_TEXT, length: int = 50):
        if len(text) <= check_positive_int(length, "length"):
            raise ValueError(
                f"a text of {len(text)} characters has no window of {length} with a "
                "next character: take a longer text or a smaller length"
            )
        self.text, self.length = text, length
        self.alphabet = "".join(sorted(set(text)))  # an index is a place in it
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        indices = torch.tensor([self.alphabet.index(character) for character in text])
        self.inputs = indices[:-1].unfold(0, length, 1)  # (sequences, length): views
        self.targets = indices[1:].unfold(0, length, 1)

    def __len__(self):
        return len(self.inputs)

    def __repr__(self):
        return (
            f"CharText({len(self):,} sequences of {self.length} characters, alphabet "
            f"of {len(self.alphabet)}, sha256 {self.digest[:12]})"
        )

    def decode(self, indices: Iterable[int]) -> str:
        """Return the characters at `indices`; ValueError outside the alphabet."""
        places, size = [int(k) for k in indices], len(self.alphabet)
        if not all(0 <= k < size for k in places):
            raise ValueError(f"indices must lie in 0 to {size - 1}, got {places}")
        return "".join(self.alphabet[k] for k in places)


class InMemoryBatches:
    """Endless batches (inputs, targets), in a new random order each epoch.

    `inputs` and `targets` have the same first axis (samples) and device. The last batch
    of an epoch has the remaining samples. ``batch_size=None`` gives the whole set in
    its order; otherwise `generator` draws the order, on any device. Each `iter` starts
    an epoch, from the generator's current state.

    >>> from itertools import islice
    >>> x, y = torch.zeros(10, 3), torch.arange(10)
    >>> batches = InMemoryBatches(x, y, 4, generator=torch.Generator().manual_seed(0))
    >>> [len(targets) for _, targets in islice(batches, 3)]
    [4, 4, 2]
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        batch_size: int | None,
        *,
        generator: torch.Generator | None = None,
    ):
        samples = len(inputs)
        if not 0 < samples == len(targets):
            raise ValueError(
                f"got {samples} inputs and {len(targets)} targets: expected equal "
                "numbers, at least one"
            )
        if batch_size is not None:
            if check_positive_int(batch_size, "batch size") > samples:
                raise ValueError(
                    f"batch size {batch_size} is larger than the data ({samples} "
                    "samples): lower it, or pass None for the whole set"
                )
            if generator is None:
                raise ValueError("pass a torch.Generator: it draws the order")
        self.inputs, self.targets = inputs, targets
        self.batch_size, self.generator = batch_size and int(batch_size), generator

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while self.batch_size is None:
            yield self.inputs, self.targets
        samples, device = len(self.inputs), self.generator.device
        while True:
            order = torch.randperm(samples, generator=self.generator, device=device)
            for index in order.to(self.inputs.device).split(self.batch_size):
                # index_select takes half the time of inputs[index]
                yield self.inputs.index_select(0, index), self.targets[index]
