"""VHDX images to start from, and their fields as one dict: [MS-VHDX] has them in many places."""

from hostile.images import vhdxfile

_CODES = {"header sequence": "Q", "header log_version": "H", "header version": "H",
          "header log_length": "I", "header log_offset": "Q", "metadata block_size": "I",
          "metadata flags": "I", "metadata size": "Q", "metadata logical": "I",
          "metadata physical": "I", "bat offset": "Q", "bat length": "I", "metadata offset": "Q",
          "metadata length": "I", "bat required": "I", "metadata required": "I", "count": "I",
          "items": "H", "second sequence": "Q", "signature": "8s", "bat 0": "Q", "bat 1": "Q"}


def image(chance):
    """A disk of 4 MiB with a sector size of its own."""
    made = vhdxfile.VhdxFile()
    if chance.random() < 0.2:
        made.metadata["logical"] = 4096
        made.metadata["physical"] = 4096
    return made


def change_fields(made, change):
    """Calls `change` (dict, fields) and puts into the image what it did."""
    values = {f"header {key}": value for key, value in made.header.items()}
    values |= {f"metadata {key}": value for key, value in made.metadata.items()}
    for number, name in enumerate(("bat", "metadata")):
        values |= {f"{name} offset": made.regions[number][1],
                   f"{name} length": made.regions[number][2],
                   f"{name} required": made.regions[number][3]}
    values |= {"count": 2, "items": 5, "second sequence": made.second["sequence"],
               "signature": made.signature, "bat 0": made.bat[0], "bat 1": made.bat[1]}
    before = dict(values)
    change(values, [(name, _CODES[name]) for name in values if name in _CODES])
    for key in made.header:
        made.header[key] = values[f"header {key}"]
    for key in made.metadata:
        made.metadata[key] = values[f"metadata {key}"]
    made.regions = [[made.regions[number][0], values[f"{name} offset"], values[f"{name} length"],
                     values[f"{name} required"]] for number, name in enumerate(("bat", "metadata"))]
    made.second["sequence"] = values["second sequence"]
    made.signature = values["signature"]
    made.bat[0], made.bat[1] = values["bat 0"], values["bat 1"]
    # Written only where they lie: the truth follows from the rest.
    made.region_count = values["count"] if values["count"] != before["count"] else None
    made.item_count = values["items"] if values["items"] != before["items"] else None
