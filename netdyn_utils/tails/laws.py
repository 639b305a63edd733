"""Density, CDF and random draws of a fitted family, from its cells on any grid."""

from dataclasses import dataclass
from math import inf

import numpy as np

from .families import binned_families, continuous_families, discrete_families

_GRID = 1 << 16  # points where a CDF is inverted; whole numbers that are added up


@dataclass(frozen=True)
class TailLaw:
    """The family `name` at theta, of support xmin to `end`; methods as of `TailFit`."""

    name: str
    theta: np.ndarray
    xmin: float
    end: float = inf
    discrete: bool = False

    def _log_p(self, families, *grid):
        chosen = {family.name: family for family in families(*grid)}
        return chosen[self.name].log_cells(self.theta)

    @np.errstate(all="ignore")
    def log_pdf(self, x):
        x, xmin, end = np.asarray(x, float), self.xmin, self.end
        inside = (x >= xmin) & (x <= end)
        at = np.clip(x, xmin, min(end, 1e300))
        if self.discrete:  # the fourth argument only starts a search, as two ones below
            log_p = self._log_p(discrete_families, at, xmin, 2.0, xmin + 1, end)
            return np.where(inside & (x == np.floor(x)), log_p, -inf)
        z, reach = np.minimum(np.log(at / xmin), 700.0), np.log(end / xmin)
        log_p = self._log_p(continuous_families, z, reach, xmin, 1.0, 1.0)
        return np.where(inside, log_p, -inf)

    @np.errstate(all="ignore")
    def pdf(self, x):
        return np.exp(self.log_pdf(x))

    def cdf(self, x):
        x = np.asarray(x, float)
        return 1 - self.survival(np.floor(x) + 1 if self.discrete else x)

    @np.errstate(all="ignore")
    def survival(self, x):
        x = np.asarray(x, float)
        at = np.maximum(np.nan_to_num(x), self.xmin)
        if self.discrete:
            above, density, scale = self._whole_numbers()
            k = np.ceil(at) - self.xmin
            found = above[np.minimum(k, len(above) - 1).astype(int)]
            far = scale * density.survival(self.xmin + k - 0.5)
            found = np.where(k < len(above), found, far)
        else:
            reach = min(np.log(self.end / self.xmin), 701.0)
            z = np.minimum(np.log(at / self.xmin), min(reach, 700.0))
            edges = np.unique([0.0, *z.ravel(), reach])
            upper = "truncated" if self.end < inf else "censored"
            cells = self._log_p(binned_families, edges, upper, self.xmin, 1.0, 1.0)
            above = np.cumsum(np.append(np.exp(cells), 0.0)[::-1])[::-1]
            found = above[np.searchsorted(edges, z)]
        found = np.where(x <= self.xmin, 1.0, np.minimum(found, 1.0))
        return np.where(np.isnan(x), np.nan, found)

    def _whole_numbers(self):
        """Return P(X ≥ k) from xmin on, and a density that continues it if scaled."""
        last = min(self.end, self.xmin + _GRID)
        p = self.pdf(np.arange(self.xmin, last + 1))
        name, theta = self.name, self.theta
        if name == "geometric":
            name, theta = "exponential", np.log(theta * self.xmin)
        density = TailLaw(name, theta, self.xmin, self.end + 0.5)
        scale = np.exp(self.log_pdf(self.xmin) - density.log_pdf(self.xmin))
        # Whole numbers above k weigh as much as the density above k + ½.
        p = np.append(p, scale * density.survival(last + 0.5))
        return np.cumsum(p[::-1])[::-1], density, scale

    @np.errstate(all="ignore")
    def sample(self, n, rng):
        return self._quantile(1 - rng.random(n))

    def _quantile(self, u):
        """Return the largest x with P(X ≥ x) ≥ u, 0 < u ≤ 1."""
        if self.discrete:
            above, density, scale = self._whole_numbers()
            k = self.xmin + np.maximum(np.searchsorted(-above, -u, side="right") - 1, 0)
            far = u < above[-1]
            k[far] = np.ceil(density._quantile(u[far] / scale) - 0.5)
            return k
        reach = min(np.log(self.end / self.xmin), 700.0)
        if "exponential" in self.name:  # in closed form
            r, beta = np.exp([*self.theta, 0.0][:2])
            mass = -np.expm1(-r * np.expm1(beta * reach) / beta)
            z = np.log1p(-beta / r * np.log1p((u - 1) * mass)) / beta
        else:
            top = 1e-9
            while top < reach and self.survival(self.xmin * np.exp(top)) > 1e-17:
                top *= 2
            z = np.linspace(0, min(top, reach), _GRID)
            z = np.interp(-u, -self.survival(self.xmin * np.exp(z)), z)
        return self.xmin * np.exp(z)
