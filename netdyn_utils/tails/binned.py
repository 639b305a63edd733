"""The binned power-law likelihood, for every threshold xmin of a histogram at once.

Bin i holds h_i counts of b_i ≤ x < b_{i+1}, and xmin can only be an edge. For p(x) ∝
x^−α above b_min, with s = α − 1 and w_i = ln(b_{i+1}/b_i), the likelihood is

    L(s) = Σ h_i [−s ln(b_i/b_min) + ln(1 − e^{−s w_i})]

(Virkar & Clauset 2014, eq. 3.3), written so that nothing overflows or cancels. It needs
the tail's size n, its log-excess M = Σ h_i ln(b_i/b_min), and the counts in bins of
each width: suffix sums, so that one Newton iteration serves every b_min. A log-linear
histogram has only eight distinct widths.

The upper edge: "infinite" support leaves every bin as it is, "censored" lets the last
bin reach to infinity, "truncated" support ends at the last edge.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count

import numpy as np

from ..validation import real_numbers, whole_counts

UPPER = ("infinite", "censored", "truncated")
SLOPE_BOUNDS = (1e-6, 1e6)  # of s = alpha − 1, where the likelihood is searched
MAX_SCAN_SLOPE = 19.0  # a scan chooses no larger abs(s) if it can
KS_TIE = 1e-12  # KS distances nearer than this differ by rounding
_TINY = 1e-300  # for s = 0 in quotients of exponentials
_NEAR_ZERO = 1e-4  # of s: nearer to zero the truncated score loses its digits
_BLOCK = 64  # thresholds per block, so that the KS work fits in cache


def check_histogram(edges, counts):
    """Return `edges` as float64 and `counts` as int64, or say what is wrong."""
    edges, counts = real_numbers(edges, "edges"), whole_counts(counts)
    if edges.ndim != 1 or counts.ndim != 1 or len(edges) != len(counts) + 1:
        raise ValueError(
            f"{edges.shape} edges and {counts.shape} counts do not fit: pass one axis "
            "each, with one more edge than counts"
        )
    bad = ~((np.append(0.0, edges[:-1]) < edges) & (edges < np.inf))
    if bad.any():
        raise ValueError(
            f"edges must be positive, finite and increasing, got {edges[bad][0]:g} at "
            f"{np.flatnonzero(bad)[0]}: leave out a bin that reaches to zero; for a "
            "last bin open to infinity, upper='censored'"
        )
    if not counts.any():
        raise ValueError("the histogram is empty: a tail fit needs two occupied bins")
    return edges, counts


def edge_index(edges, value, what):
    """Return the index of the edge at `value`, or name the edges around it."""
    nearest = np.argsort(np.abs(edges - value))[:2]
    if np.isclose(edges[nearest[0]], value, rtol=1e-9, atol=0):
        return int(nearest[0])
    around = " or ".join(f"{edge:.10g}" for edge in np.sort(edges[nearest]))
    raise ValueError(f"{what}={value:g} is not a bin edge: choose {around}")


def apply_upper_bound(edges, counts, upper, xmax):
    """Return edges and counts as the convention at the upper edge sees them."""
    if xmax is None or xmax == np.inf:
        return edges, counts
    if upper == "infinite":
        raise ValueError(f"xmax={xmax:g} needs upper='truncated' or 'censored'")
    i = edge_index(edges, xmax, "xmax")
    if i == 0 or (upper == "censored" and i == len(counts)):
        raise ValueError(
            f"xmax={xmax:g} leaves no bin on one side: choose an inner edge"
        )
    if upper == "truncated":
        return edges[: i + 1], counts[:i]
    # The upper edge of a censored bin has no meaning, so that any will do.
    return edges[: i + 2], np.append(counts[:i], counts[i:].sum())


def as_fitted(edges, counts, fit):
    """Return edges and counts as `fit` saw them, and its first tail bin."""
    if fit.kind != "binned":
        raise ValueError(f"the fit is {fit.kind}: bin the values and fit the histogram")
    if fit.at_bound:
        raise ValueError(f"alpha = {fit.alpha:g} is at a bound: choose a lower xmin")
    edges, counts = check_histogram(edges, counts)
    bounded, h = apply_upper_bound(edges, counts, fit.upper, fit.xmax)
    start = edge_index(bounded, fit.xmin, "xmin")
    if h[start:].sum() != fit.n_tail or counts.sum() != fit.n:
        raise ValueError(
            f"the fit has {fit.n_tail:,} of {fit.n:,} counts in its tail, this "
            f"histogram {h[start:].sum():,} of {counts.sum():,}: pass the one fitted"
        )
    return bounded, h, start


@dataclass(frozen=True)
class LogBins:
    """The edges of a histogram in logarithms, shared by all its resamples."""

    log_edges: np.ndarray  # ln b_i, bins + 1
    widths: np.ndarray  # ln(b_{i+1}/b_i), bins
    kinds: np.ndarray | None  # which distinct width a bin has; None: all differ
    kind_widths: np.ndarray  # the distinct widths, kinds
    upper: str

    @classmethod
    def from_edges(cls, edges, upper):
        """Take logarithms once."""
        widths = np.log1p(np.diff(edges) / edges[:-1])  # exact for narrow bins too
        # Widths a rounding error apart are one kind: the fit feels a width only
        # through Σ w/2, so that 1e-12 changes alpha by less than its last digits.
        kind_widths, kinds = np.unique(widths.round(12), return_inverse=True)
        if kind_widths[0] <= 0 or 4 * len(kind_widths) > len(widths):
            kind_widths, kinds = widths, None
        return cls(np.log(edges), widths, kinds, kind_widths, upper)

    def by_kind(self, h, first, last):
        """Return counts of bins first ≤ i < last by width, (rows, kinds)."""
        if self.kinds is None:
            bins = np.arange(first.min(), last.max())
            inside = (first[:, None] <= bins) & (bins < last[:, None])
            return np.where(inside, h[bins], 0.0), self.widths[bins]
        above = np.zeros((len(h) + 1, len(self.kind_widths)))
        above[np.arange(len(h)), self.kinds[: len(h)]] = h
        above = np.cumsum(above[::-1], axis=0)[::-1]
        return above[first] - above[last], self.kind_widths


@dataclass(frozen=True)
class ThresholdFits:
    """One fit for each threshold, (thresholds,)."""

    starts: np.ndarray  # index of the tail's first bin
    alpha: np.ndarray
    sigma: np.ndarray  # from the observed information; nan where at_bound
    n_tail: np.ndarray
    ks: np.ndarray
    at_bound: np.ndarray  # no maximum between the bounds of alpha

    def best(self):
        """Return the index of the least KS distance; the lower threshold wins a tie."""
        usable = ~self.at_bound & (np.abs(self.alpha - 1) <= MAX_SCAN_SLOPE)
        ks = np.where(usable | ~usable.any(), self.ks, np.inf)
        return int((ks <= ks.min() + KS_TIE).argmax())


def scan_starts(counts, upper):
    """Return the first bins a scan may try: occupied, with a tail left to test."""
    occupied = np.flatnonzero(counts)
    # A truncated or censored law fits two occupied bins exactly, whatever the data.
    least = 2 if upper == "infinite" else min(3, len(occupied))
    return occupied[: max(0, len(occupied) - least + 1)]


def fit_thresholds(bins, counts, starts):
    """Fit alpha above each of the ascending `starts`, with its KS distance."""
    stop = int(np.flatnonzero(counts)[-1]) + 1  # nothing above: only S = 1 there
    h = counts[:stop].astype(float)
    above = np.append(np.cumsum(h[::-1])[::-1], 0.0)  # counts from bin i up
    # M = Σ_{j ≥ c} w_j n_{j+1}: all terms positive, where Σ h u − n u_c would cancel.
    terms = bins.widths[:stop] * above[1:]
    excess = np.cumsum(terms[::-1])[::-1][starts]
    if bins.upper == "censored" and stop == len(counts):
        h[-1] = 0.0  # its cell has no upper edge, so that ln(1 − e^{−s w}) = 0
    n, reach = above[starts], None
    if bins.upper == "truncated":
        reach = bins.log_edges[-1] - bins.log_edges[starts]

    last = np.full_like(starts, stop)
    lowest, highest = SLOPE_BOUNDS  # on truncated support any real s is a law
    bounds = (lowest if reach is None else -highest), highest
    s, info, at_bound = solve(bins, h, starts, last, excess, n, reach, bounds)
    sigma = np.full(len(s), np.nan)
    sigma[~at_bound] = 1 / np.sqrt(info[~at_bound])
    ks = _ks_distances(bins, above, starts, s, reach)
    return ThresholdFits(starts, 1 + s, sigma, n.astype(np.int64), ks, at_bound)


def solve(bins, h, first, last, excess, n, reach, bounds):
    """Return s of largest L(s) on each range first ≤ i < last, −L″(s) and at_bound."""
    size = len(first) if bins.kinds is not None else _BLOCK
    parts = []
    for k in range(0, len(first), size):
        row = slice(k, k + size)
        by_kind, widths = bins.by_kind(h, first[row], last[row])
        end = None if reach is None else reach[row]
        parts.append(_newton(by_kind, widths, excess[row], n[row], end, bounds))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _newton(by_kind, widths, excess, n, reach, bounds):
    """Return s, −L″(s) and at_bound by safeguarded Newton: L is concave in s."""
    lowest, highest = bounds
    closed = by_kind.sum(1)
    mean = (by_kind @ widths) / np.maximum(closed, 1)
    # Exact for equal widths, and else left of the root by Jensen's inequality, from
    # where Newton on this convex falling score never overshoots.
    with np.errstate(divide="ignore", invalid="ignore"):
        s = np.log1p(closed * mean / excess) / mean
    s = np.clip(np.where(np.isfinite(s), s, 1.0), lowest, highest)
    info, at_bound = np.zeros_like(s), np.zeros(len(s), bool)
    left, right = np.full(len(s), lowest), np.full(len(s), highest)
    r = np.arange(len(s))  # rows still moving
    for _ in range(100):
        # At s = 0 the terms 1/s of the truncated score cancel: step from beside it.
        at = np.where(np.abs(s[r]) < _NEAR_ZERO, _NEAR_ZERO, s[r])
        end = None if reach is None else reach[r]
        score, info[r] = _score(at, by_kind[r], widths, excess[r], n[r], end)
        left[r] = np.where(score > 0, np.maximum(at, left[r]), left[r])
        right[r] = np.where(score < 0, np.minimum(at, right[r]), right[r])
        new = np.clip(at + score / np.maximum(info[r], 1e-300), lowest, highest)
        lost = (new < left[r]) | (new > right[r])
        new = np.where(lost, (left[r] + right[r]) / 2, new)
        # A last step of 1e-7 leaves an error of its square.
        done = np.abs(new - s[r]) <= 1e-7 * np.maximum(np.abs(new), 1e-3)
        at_bound[r] = ((new >= highest) & (score > 0)) | ((new <= lowest) & (score < 0))
        s[r] = new
        r = r[~(done & ~lost) & (right[r] - left[r] > 1e-13)]
        if not r.size:
            return s, info, at_bound
    raise ArithmeticError(f"{r.size} of {len(s)} likelihoods did not converge")


def _score(s, by_kind, widths, excess, n, reach):
    """Return L′(s) and −L″(s), each (rows,)."""
    with np.errstate(over="ignore"):
        first = 1 / np.expm1(s[:, None] * widths)
    score = (by_kind * first) @ widths - excess
    first *= 1 + first
    info = (by_kind * first) @ widths**2
    if reach is not None:
        with np.errstate(over="ignore"):
            first = 1 / np.expm1(s * reach)
        score -= n * reach * first
        info -= n * reach**2 * first * (1 + first)
    return score, info


def power_law_cells(z, upper, s, widths=None):
    """Return ln P of each bin between the edges z = ln(edge/xmin) of a power law."""
    widths, steepness = np.diff(z) if widths is None else widths, max(abs(s), _TINY)
    from_peak = z[:-1] if s > 0 else z[-1] - z[1:]  # truncated, s may be negative
    cells = np.log(-np.expm1(-steepness * widths)) - steepness * from_peak
    if upper == "censored":
        cells[-1] = -s * z[-2]
    if upper == "truncated":
        cells -= np.log(-np.expm1(-steepness * z[-1]))
    return cells


def survival(s, z, reach):
    """Return P(X ≥ x), z = ln(x/xmin), of a power law truncated at z = `reach`."""
    steepness = np.maximum(np.abs(s), _TINY)
    below = np.expm1(-steepness * (reach - z)) / np.expm1(-steepness * reach)
    return np.exp(-np.maximum(s, 0.0) * z) * below


def _ks_distances(bins, above, starts, s, reach):
    """Return max over the tail's edges of the distance of the two CDFs, (rows,)."""
    last = len(above) - 1
    if bins.upper == "censored" and last == len(bins.widths):
        last -= 1  # at infinity both are 1
    ks = np.empty(len(starts))
    for block in range(0, len(starts), _BLOCK):
        row = slice(block, block + _BLOCK)
        first = starts[row]
        edge = slice(first[0], last + 1)
        z = bins.log_edges[edge] - bins.log_edges[first][:, None]
        # Left of its own threshold a row has 1 on both sides: no mask is needed.
        np.maximum(z, 0.0, out=z)
        if reach is None:
            model = np.exp(np.multiply(z, -s[row, None], out=z), out=z)
        else:
            model = survival(s[row, None], z, reach[row, None])
        data = above[edge] / above[first][:, None]
        model -= np.minimum(data, 1.0, out=data)
        ks[row] = np.abs(model, out=model).max(1)
    return ks


def scan_resamples(bins, resamples, start=None, ends=(0, np.inf)):
    """Return alpha, first tail bin and KS distance of each row (replicates, bins).

    With `start` the threshold stays there; without, each row scans for its own between
    two first bins. A row with no tail to fit gets nan, −1 and nan.
    """

    def refit(counts):
        starts = np.array([start])
        if start is None:
            starts = scan_starts(counts, bins.upper)
            starts = starts[(ends[0] <= starts) & (starts <= ends[1])]
        if not starts.size or np.count_nonzero(counts[starts[0] :]) < 2:
            return np.nan, -1, np.nan
        fits = fit_thresholds(bins, counts, starts)
        best = fits.best()
        return fits.alpha[best], fits.starts[best], fits.ks[best]

    return in_threads(refit, resamples)


def in_threads(refit, resamples):
    """Return an array for each of the numbers that `refit` makes of a resample."""
    # Threads, not processes: numpy lets go of the interpreter, and starts at once.
    with ThreadPoolExecutor(cpu_count()) as pool:
        columns = zip(*pool.map(refit, resamples, chunksize=16), strict=True)
        return tuple(map(np.array, columns))


def edges_in_range(edges, xmin_range):
    """Return the first and the last edge in the range of thresholds, by index."""
    low, high = (0, np.inf) if xmin_range is None else xmin_range
    inside = np.flatnonzero((low <= edges) & (edges <= high))
    return inside[0], inside[-1]
