"""Tells what happened in which process, from `hotcell convert --stats --output=json`.

Usage: explain_stats.py FILE
"""

import json
import sys

MIB = 1 << 20


def main():
    with open(sys.argv[1], encoding="utf-8") as source:
        convert = json.load(source)["convert"]
    stats = convert["stats"]
    exits = stats["exits"]
    layers = stats["confinement"]
    moved = (stats["bytes-read"] + stats["bytes-written"]) / MIB

    print(f"Broker, process {stats['broker-pid']}: opened the files, parsed none of them.")
    print(f"  served {stats['requests']} requests of the guest: {stats['bytes-read'] / MIB:.0f} MiB"
          f" read, {stats['bytes-written'] / MIB:.0f} MiB written,"
          f" in {stats['seconds']:.2f} s")
    print(f"  was woken by {stats['doorbells']} doorbells;"
          f" peak memory {stats['broker-peak-memory'] / MIB:.0f} MiB")
    print(f"Worker, process {stats['worker-pid']}: owned the guest, held no image file.")
    print(f"  confined by: {', '.join(layers['achieved'])}")
    for entry in layers["unavailable"]:
        print(f"  not available here: {entry['layer']} ({entry['error']})")
    print(f"  peak memory with the guest's {stats['worker-peak-memory'] / MIB:.0f} MiB")
    print(f"Guest, at CPL 3 without an operating system: parsed {convert['source-format']} and made"
          f" a disk of {convert['virtual-size'] / MIB:.0f} MiB.")
    print(f"  left KVM_RUN {exits['total']} times ({exits['waits']} waits,"
          f" {exits['port-io']} other ports, {exits['interrupted']} interrupts):"
          f" {exits['total'] / moved if moved else 0:.3f} per MiB moved")
    for warning in convert["warnings"]:
        print(f"  warning: {warning}")


if __name__ == "__main__":
    main()
