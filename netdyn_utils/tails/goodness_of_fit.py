"""Could the counts have come from the fitted power law? A p-value by resampling.

The KS distance of a fit is small because the fit was chosen to make it so. It can only
be compared with that of data which follow the law and went through the same choice:
each replicate is a sample of the model, whose xmin and alpha are estimated anew.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ..validation import check_positive_int
from .binned import LogBins, as_fitted, edges_in_range, scan_resamples
from .power_law import TailFit, as_fitted_sample, data_and_fit, refit_samples

_MISSED = 1e-3  # expected counts above the last edge of a replicate, at most
_EXTRA_BINS = 200


@dataclass(frozen=True)
class GoodnessOfFit:
    """How often the fitted law itself gives a fit as bad as the observed one."""

    p: float  # fraction of replicates at least as far from their fit
    error: float  # Monte-Carlo standard error of p
    ks: float  # the observed distance
    replicates: int
    ks_replicates: np.ndarray = field(compare=False, repr=False)
    alpha_replicates: np.ndarray = field(compare=False, repr=False)

    @property
    def plausible(self) -> bool:
        """Whether p is above 0.1, the bar of Clauset, Shalizi & Newman."""
        return self.p > 0.1

    def __str__(self):
        verdict = "plausible" if self.plausible else "ruled out"
        return (
            f"p = {self.p:.3f} ± {self.error:.3f} (KS {self.ks:.2g}, "
            f"{self.replicates:,} replicates): a power law is {verdict}"
        )


@np.errstate(under="ignore")
def goodness_of_fit(
    edges: ArrayLike,
    counts: ArrayLike | TailFit | None,
    fit: TailFit | None = None,
    *,
    replicates: int = 1000,
    rng: np.random.Generator,
) -> GoodnessOfFit:
    """Test a fitted power law by semi-parametric bootstrap.

    Pass the histogram that `fit` was made from; of a fit to samples, continuous or
    discrete, the values and, if there are any, how often each occurs:
    ``goodness_of_fit(x, fit)``. An estimated xmin is estimated in each replicate; at a
    given one only the tail is resampled. A ValueError if the fit is of other data or at
    a bound. The error of p is √(p(1−p)/replicates): 2,500 give ±0.01.

    Notes
    -----
    Virkar & Clauset (2014), section 4; Clauset, Shalizi & Newman (2009), section 4.1.
    A replicate has as many counts as the data: each falls with probability n_tail/n on
    the fitted law, else on a bin below xmin in proportion to the counts there. Bins are
    added where an unbounded law reaches above the top edge. p is
    (1 + #{D* ≥ D})/(1 + replicates). A small p rules the power law out; a large p does
    not prove it, it says that the counts cannot refute it.

    At a given xmin p is uniform under the truth (measured, 200 seeds). With the scan it
    is cautious: for 3,000 draws of a pure power law p averages 0.59, and is below 0.1
    in 6 % of seeds, not 10 %, because the bins below xmin are resampled with the noise
    they already had. It costs power: of log-normal samples of 1e5 a scan keeps the last
    1 %, and about half pass every test there.

    Counts that depend on each other reject every law: thin the histogram to its
    effective size (`effective_sample_size`, `subsample_counts`), fit that and test it.

    Examples
    --------
    >>> from netdyn_utils import fit_power_law, fit_power_law_samples
    >>> rng = np.random.default_rng(1)
    >>> edges = 2 ** np.arange(0, 12, 0.25)
    >>> counts = np.histogram(rng.exponential(20, 10_000) + 1, edges)[0]
    >>> fit = fit_power_law(edges, counts, xmin=1)
    >>> print(goodness_of_fit(edges, counts, fit, replicates=99, rng=rng))
    p = 0.010 ± 0.010 (KS 0.28, 99 replicates): a power law is ruled out
    >>> x = rng.pareto(1.5, 1_000) + 1
    >>> fit = fit_power_law_samples(x, xmin=1)
    >>> goodness_of_fit(x, fit, replicates=99, rng=rng).plausible
    True
    """
    check_positive_int(replicates, "replicates")
    edges, counts, fit = data_and_fit(edges, counts, fit)
    find = _bins_like if fit.kind == "binned" else _samples_like
    alpha, ks = find(edges, counts, fit, replicates, rng)
    ks, alpha = ks[np.isfinite(ks)], alpha[np.isfinite(ks)]
    p = (1 + np.count_nonzero(ks >= fit.ks)) / (1 + len(ks))
    error = np.sqrt(p * (1 - p) / len(ks)) if len(ks) else np.nan
    return GoodnessOfFit(float(p), float(error), fit.ks, len(ks), ks, alpha)


def _bins_like(edges, counts, fit, replicates, rng):
    """Return alpha and KS distance of the fits to histograms that follow the law."""
    bounded, h, start = as_fitted(edges, counts, fit)
    if not fit.xmin_estimated:
        bounded, h, start = bounded[start:], h[start:], 0
    if fit.upper == "infinite":
        bounded = _extended(bounded, start, fit)
    survival = fit.survival(bounded[start:])
    if fit.upper != "truncated":
        survival[-1] = 0.0  # what is left beyond belongs to the last bin
    probability = np.append(h[:start], -np.diff(survival) * fit.n_tail) / h.sum()
    probability /= probability.sum()
    bins = LogBins.from_edges(bounded, fit.upper)
    resamples = rng.multinomial(h.sum(), probability, size=replicates)
    first = None if fit.xmin_estimated else 0
    ends = (0, 0) if first == 0 else edges_in_range(bounded, fit.xmin_range)
    alpha, _, ks = scan_resamples(bins, resamples, first, ends)
    return alpha, ks


def _samples_like(data, counts, fit, replicates, rng):
    """Return alpha and KS distance of the fits to samples that follow the law."""
    (values, h), _ = as_fitted_sample(data, counts, fit)
    body, n = h[values < fit.xmin], int(h.sum())

    def draw(rng):
        size = fit.n_tail
        if fit.xmin_estimated:
            size = rng.binomial(n, fit.n_tail / n)
        tail, times = np.unique(fit.sample(size, rng), return_counts=True)
        below = np.zeros(len(body), np.int64)
        if n > size and len(body):
            below = rng.multinomial(n - size, body / body.sum())
        seen = below > 0
        values_below = values[: len(body)][seen]
        return np.append(values_below, tail), np.append(below[seen], times)

    alpha, _, ks = refit_samples(fit, draw, rng.spawn(replicates))
    return alpha, ks


def _extended(edges, start, fit):
    """Cut or extend the edges to where the law expects no further count."""
    log_needed = np.log(fit.n_tail / _MISSED) / (fit.alpha - 1) + np.log(fit.xmin)
    log_needed = min(log_needed, 690.0)  # e^709 is the end of float64
    log_edges = np.log(edges)
    if log_edges[-1] >= log_needed:
        stop = np.searchsorted(log_edges, log_needed) + 1
        return edges[: max(stop, start + 3)]
    missing = log_needed - log_edges[-1]
    # More bins as wide as the last; wider ones only if those would be too many.
    width = max(log_edges[-1] - log_edges[-2], missing / _EXTRA_BINS)
    more = log_edges[-1] + width * np.arange(1, int(np.ceil(missing / width)) + 1)
    return np.append(edges, np.exp(more))
