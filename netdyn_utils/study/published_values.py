"""The numbers that the paper and its arrays give, to hold ours against.

Exponents by likelihood and the means are recomputed from the arrays of the authors'
repository (xinyacheung/Heavytailed_updates_ANN); `line` exponents are those of their
straight lines on linear bins.
"""

MLP = {  # rate 0.1, batch 64; steps 0 to 10,000 and 20,000 to 30,000
    "early": {"scanned": 4.69, "line": 4.30, "largest": 0.106},
    "late": {"scanned": 4.42, "line": 4.54, "largest": 0.024},
}
CONVNET = {  # rate 0.01, batch 64, both convolutions alone
    "early": {"scanned": 4.87, "line": 4.42, "largest": 0.012},
    "late": {"scanned": 5.13, "line": 4.41},
}
TRANSFORMER = {  # rate 0.1, steps 0 to 1,000, by batch size
    4: {"scanned": 3.25, "line": 3.45},
    8: {"scanned": 3.07, "line": 3.56},
    16: {"scanned": 2.78, "line": 3.45},
}
INTERVALS = {  # of the largest hundredth, recomputed from the array; a line: all bins
    "mlp, rate 0.01": {"second bin": 2.33, "line": 3.14},
    "convnet, frozen": {"second bin": 2.14},
}
PRINTED_INTERVALS = {"MLP": 2.66, "CNN": 2.45}  # by a line; through which bins, is open
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
