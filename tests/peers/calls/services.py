"""What the calls of all services share."""

import os

HERE = os.getcwd()


def place(name):
    """The full path of a file in the directory of the call: services use no others."""
    return os.path.join(HERE, name)
