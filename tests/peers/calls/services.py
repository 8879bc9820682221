"""What the calls of all services share."""

import os


def place(name=""):
    """The full path of a file in the directory of the call: services use no others."""
    return os.path.join(os.getcwd(), name)
