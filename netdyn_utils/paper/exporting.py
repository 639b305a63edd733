"""A record taken out on its own, also in the files that the authors use."""

import json
from pathlib import Path

import numpy as np

from ..store.runs import RunRecord
from ..tracking.windows import WindowedHistograms

BINS = 1_000  # linear bins of the authors' histograms


def export(record: RunRecord, folder: Path) -> list[Path]:
    """Write the arrays of a record to a folder and return the paths.

    Parameters
    ----------
    record : RunRecord
    folder : Path
        Made if need be. Holds ``arrays.npz``, ``manifest.json``, and for a run of
        updates a pair of files for each window, ``_xbins.npy`` (centres of linear bins)
        and ``_nums.npy`` (fractions), as in the authors' repository. Their names begin
        with ``update_``, the network, and ``_window`` with its number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays, told = folder / "arrays.npz", folder / "manifest.json"
    np.savez_compressed(arrays, **record.arrays)
    told.write_text(json.dumps(record.manifest, indent=1), encoding="utf-8")
    written = [arrays, told]
    if record.kind == "updates":
        named = {
            name.removeprefix("updates_"): array
            for name, array in record.arrays.items()
            if name.startswith("updates_")
        }
        windows = WindowedHistograms.from_arrays(named)
        network = record.manifest["config"]["network"]
        for window in range(len(windows.stops)):
            stem = folder / f"update_{network}_window{window}"
            windows.histogram(window=window).to_published(stem, BINS)
            written += [Path(f"{stem}_{part}.npy") for part in ("xbins", "nums")]
    return written
