"""Measures the service beside other ways to build it: `make bench`, or `python -m bench --help`.

Everything runs on this machine and talks over loopback: a scripted provider (`peer`), the servers under
test (`contender`), visitors (`load`, `visit`). Figures depend on the machine; the ratios between contenders
measured in one go are what counts.
"""
