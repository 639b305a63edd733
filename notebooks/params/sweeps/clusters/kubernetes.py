"""Workers as Kubernetes pods, through dask-kubernetes. Change what is in capitals.

    pip install dask-kubernetes            # in the environment of the book
    python notebooks/params/sweeps/clusters/kubernetes.py

The cluster needs the Dask operator, and an image that holds this package, at the same
version, with its extras: ``pip install '.[book,sweep]' -c constraints.txt``.
The address that it prints goes to ``sweep --scheduler``.
"""

from dask_kubernetes.operator import KubeCluster

WORKERS = 50

if __name__ == "__main__":
    with KubeCluster(
        name="netdyn",
        image="REGISTRY/netdyn:VERSION",
        n_workers=WORKERS,
        worker_command=["dask", "worker", "--nthreads", "1"],
        resources={
            "requests": {"cpu": "1", "memory": "2Gi"},
            "limits": {"cpu": "1", "memory": "4Gi"},
        },
        env={"OMP_NUM_THREADS": "1"},
    ) as cluster:
        print(cluster.scheduler_address, "until Enter", flush=True)
        input()
