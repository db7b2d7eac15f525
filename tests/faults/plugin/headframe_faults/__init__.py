"""What the fault suite puts around the product in the processes that it starts.

`python -m headframe_faults` takes the arguments of `headframe`: it wraps a few methods, so that the process can be
told to die at an exact place or to garble what it sends, and then runs the ordinary command line. The product
knows nothing of it.
"""
