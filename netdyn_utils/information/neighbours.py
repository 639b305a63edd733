"""Mutual information without bins: distances to the nearest neighbours."""

import numpy as np
from scipy.special import digamma

JITTER = 1e-10  # of the spread: tells tied values apart and moves nothing else


def ksg_nats(
    x: np.ndarray, y: np.ndarray, *, neighbours: int, rng: np.random.Generator
) -> float:
    """Return the first estimate of Kraskov, Stögbauer and Grassberger, in nats.

    Parameters
    ----------
    x, y : array, (samples,)
        Neither constant.
    neighbours : int
        k, below the number of samples.
    rng : numpy.random.Generator
        For the jitter.

    Returns
    -------
    float
        Below zero as often as chance has it. `mutual_info_regression` of scikit-learn,
        the same estimate on the same trees, puts zero there.

    Notes
    -----
    I = ψ(k) + ψ(N) − ⟨ψ(n_x + 1) + ψ(n_y + 1)⟩, eq. 8: n_x and n_y count the others
    nearer in x, in y, than the k-th neighbour is in the larger of the two. Both are
    scaled to unit spread first, as scikit-learn does, and tied values are told apart by
    noise of 1e-10.

    References
    ----------
    A. Kraskov, H. Stögbauer, P. Grassberger, Phys. Rev. E 69 (2004) 066138.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, noise = rng.normal(size=(2, 2_000))
    >>> round(ksg_nats(x, 0.6 * x + 0.8 * noise, neighbours=3, rng=rng), 2)
    0.21
    """
    # Here, for it takes a second, and readers of histograms need none of it.
    from sklearn.neighbors import KDTree, NearestNeighbors

    columns = []
    for values in (x, y):
        scaled = values / values.std()
        size = JITTER * max(1.0, np.abs(scaled).mean())
        columns.append((scaled + size * rng.standard_normal(len(x)))[:, None])
    search = NearestNeighbors(metric="chebyshev", n_neighbors=neighbours)
    distances = search.fit(np.hstack(columns)).kneighbors()[0]
    radius = np.nextafter(distances[:, -1], 0)  # strictly nearer than the k-th
    nearer = [  # n + 1 of each: a value lies in its own ball
        KDTree(column, metric="chebyshev").query_radius(column, radius, count_only=True)
        for column in columns
    ]
    means = [digamma(count).mean() for count in nearer]
    return float(digamma(neighbours) + digamma(len(x)) - sum(means))
