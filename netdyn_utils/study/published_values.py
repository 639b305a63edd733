"""The numbers of the paper and its arrays, which ours are compared with.

Exponents by likelihood (`alpha_mle`) and the means are recomputed from the arrays of
the authors' repository (xinyacheung/Heavytailed_updates_ANN); `alpha_ols` are the
slopes of straight lines on their linear bins.
"""

MLP = {  # rate 0.1, batch 64; steps 0 to 10,000 and 20,000 to 30,000
    "early": {"alpha_mle": 4.69, "alpha_ols": 4.30, "max": 0.106},
    "late": {"alpha_mle": 4.42, "alpha_ols": 4.54, "max": 0.024},
}
CONVNET = {  # rate 0.01, batch 64, both convolutions alone
    "early": {"alpha_mle": 4.87, "alpha_ols": 4.42, "max": 0.012},
    "late": {"alpha_mle": 5.13, "alpha_ols": 4.41},
}
TRANSFORMER = {  # rate 0.1, steps 0 to 1,000, by batch size
    4: {"alpha_mle": 3.25, "alpha_ols": 3.45},
    8: {"alpha_mle": 3.07, "alpha_ols": 3.56},
    16: {"alpha_mle": 2.78, "alpha_ols": 3.45},
}
INTERVALS = {  # top 1 %, recomputed: from the second bin up; by a line, all bins
    "mlp, rate 0.01": {"alpha_mle": 2.33, "alpha_ols": 3.14},
    "convnet, frozen": {"alpha_mle": 2.14},
}
PRINTED_INTERVALS = {"MLP": 2.66, "CNN": 2.45}  # by a line; which bins is not said
INFORMATION = {  # (rate, batch size), means over the windows
    (0.01, 50): {"I": 0.441, "beta": 0.204},
    (0.01, 500): {"I": 0.353, "beta": 0.717},
    (0.1, 50): {"I": 0.499, "beta": 0.112},
}
LANDSCAPE = {  # (epoch, displacement), mean change of the loss in nats
    (50, 0.01): 3.7e-5,
    (100, 0.01): 3.3e-5,
    (50, -0.01): 3.7e-5,
    (100, -0.01): 3.3e-5,
    (50, 1.0): 0.0121,
    (100, 1.0): 0.0115,
    (50, -1.0): 0.0083,
    (100, -1.0): 0.0074,
}
