"""netdyn: are the updates of learning networks heavy-tailed?

One symbol, one name, one unit throughout the package and the book:

| symbol | name in code | unit |
|---|---|---|
| Δw | update, the change of one parameter in one step | weight |
| abs(Δw) | magnitude | weight |
| α | alpha, exponent of the *density* p(x) ∝ x^−α (the CCDF has α − 1) | 1 |
| Δt | interval between large updates of one parameter | step |
| ΔL | response of the loss to one displaced weight | nat |
| I | mutual_information | nat |
| β* | alignment, abs(cos) of successive leading directions | 1 |

Names are imported on first use, so that ``import netdyn_utils`` and the command
line start without loading torch.
"""

from importlib import import_module

__version__ = "0.1.0"

_PUBLIC = {
    "store": ("MissingRecordError", "RunRecord", "RunSpec", "RunStore"),
    "histogram": ("LogHistogram",),
    "paper_format": ("read_published",),
    "tails": (
        *("TailFit", "fit_power_law", "fit_power_law_samples", "compare_tails"),
        *("xmin_curve", "goodness_of_fit", "local_slope", "hill_curve", "ols_exponent"),
        *("bootstrap_alpha", "window_stability", "scale_mixture_null"),
        *("compare_with_null", "effective_sample_size", "subsample_counts"),
        *("crossover_delta", "power_law_or_exponential", "exponential_mixture"),
    ),
    "intervals": (
        *("IntervalCounts", "exceedance_intervals", "burstiness"),
        *("fit_discrete_power_law", "compare_intervals"),
        *("interval_null", "shuffle_times"),
    ),
    "information": (
        *("MutualInformation", "mutual_information"),
        *("PermutationTest", "permutation_test", "shuffled_null"),
        *("WindowInformation", "window_information"),
        *("ConservationTest", "conservation_test", "conservation"),
    ),
    "principal_direction": ("leading_direction", "alignment"),
    "diffusion": (
        *("relative_distance", "linear_cka"),
        *("squared_displacements", "diffusion_exponent"),
    ),
    "data": ("load_images", "CharText", "InMemoryBatches"),
    "networks": ("MLP", "ConvNet", "CharTransformer", "build_model"),
    "flat_parameters": ("FlatParameters",),
    "training": (
        *("TrainConfig", "train_steps", "evaluate", "eval_mode"),
        "evaluating",  # former name
    ),
    "tracking": (
        *("UpdateTracker", "IntervalTracker", "DriftRecorder"),
        *("ActivationProbe", "probe_batch", "UpdateWindow"),
    ),
    "custom": ("Task", "load_arrays", "load_model", "open_log"),
    "perturbation": (
        *("perturbation_scan", "loss_under_displacement", "PerturbationResponse"),
        "loss_plane",
    ),
    "experiments": (
        *("FIVE_LAYERS", "ExperimentConfig", "UpdatesConfig"),
        *("run_updates", "run_intervals"),
        *("run_perturbation", "run_information"),
    ),
    "plotting": ("plot_density", "plot_windows", "plot_loss", "plot_accuracy"),
    "widgets": ("static_slider", "frame_slider"),
    "metrics": ("log_metrics", "read_metrics", "record", "read_recorded"),
    "book.execute": ("run_notebook",),
}
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _PUBLIC:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return [*__all__, *filter(str.isidentifier, _PUBLIC), "__version__"]
