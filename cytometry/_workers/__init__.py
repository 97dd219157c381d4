"""Where jobs are done: in processes of this machine, or on a Dask cluster."""
