# shellcheck shell=bash
# Shared by the scripts in tools/: where the project is, how to say things, what the machine offers.
# Source it: . "$(dirname "$0")/lib/common.sh"

HOTCELL_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export HOTCELL_ROOT

# The distribution's interpreter: nanopb's generator needs its modules, whatever else is on PATH.
export PYTHON=/usr/bin/python3

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
warn() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() {
  warn "$*"
  exit 1
}

# Jobs that fit the CPUs this process may use.
job_count() { nproc; }

# Prints why /dev/kvm is unusable, or nothing when it can be opened.
kvm_problem() {
  if [[ ! -e /dev/kvm ]]; then
    say "/dev/kvm does not exist"
  elif ! { exec 9<>/dev/kvm; } 2>/dev/null; then
    say "/dev/kvm cannot be opened by $(id -un)"
  else
    exec 9>&-
  fi
}

# build_preset PRESET [TARGET...]: configures when needed, with the options in CONFIGURE_OPTIONS, then
# builds.
CONFIGURE_OPTIONS=()
build_preset() {
  local preset=$1
  shift
  local targets=()
  if (($# > 0)); then
    targets=(--target "$@")
  fi
  (
    cd "$HOTCELL_ROOT" || exit
    cmake --preset "$preset" "${CONFIGURE_OPTIONS[@]}" >/dev/null
    cmake --build --preset "$preset" -j "$(job_count)" "${targets[@]}"
  )
}
