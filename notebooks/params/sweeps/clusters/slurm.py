"""Workers as SLURM jobs, through dask-jobqueue. Change what is in capitals.

    pip install dask-jobqueue              # in the environment of the book
    python notebooks/params/sweeps/clusters/slurm.py

The address that it prints goes to ``sweep --scheduler``. One worker runs one notebook
at a time. A worker ends five minutes before its job would be killed; the run it was at
begins again on another.
"""

from dask_jobqueue import SLURMCluster

WORKERS = 50

if __name__ == "__main__":
    with SLURMCluster(
        queue="PARTITION",
        account="ACCOUNT",
        cores=1,
        processes=1,
        memory="4GB",
        walltime="04:00:00",
        worker_extra_args=["--lifetime", "230m", "--lifetime-stagger", "5m"],
        job_script_prologue=["export OMP_NUM_THREADS=1"],
    ) as cluster:
        cluster.adapt(
            minimum_jobs=WORKERS, maximum_jobs=WORKERS
        )  # ended ones are replaced
        print(cluster.scheduler_address, "until Enter", flush=True)
        input()
