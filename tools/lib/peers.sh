# shellcheck shell=bash
# The services that tests/peers runs, unpacked and not installed: they would bring daemons, users and
# configuration along. Source it after common.sh.

PEERS_ROOT=$HOTCELL_ROOT/build/peers

PEER_PACKAGES=(
  python3-nova python3-cinder python3-glance python3-ironic python3-ironic-lib
  python3-diskimage-builder guestfish virt-v2v lxd lxd-client ovmf
)

# The packages that PEER_PACKAGES need and this machine has not installed, as NAME=VERSION.
list_peers() {
  apt-get install --simulate -qq --no-install-recommends -o Debug::NoLocking=1 \
    "${PEER_PACKAGES[@]}" |
    awk '/^Inst / && match($0, /\([^ ]+/) { print $2 "=" substr($0, RSTART + 1, RLENGTH - 1) }'
}

# Unpacks what is not there yet. Needs no rights.
unpack_peers() {
  local packages package missing=()
  packages=$(list_peers) || {
    # The package lists of a fresh machine are empty.
    ((EUID == 0)) && apt-get update -q && packages=$(list_peers)
  } || die "apt-get does not know all of: ${PEER_PACKAGES[*]}; run: sudo apt-get update"
  mkdir -p "$PEERS_ROOT/root" "$PEERS_ROOT/unpacked"
  for package in $packages; do
    [[ -e $PEERS_ROOT/unpacked/$package ]] || missing+=("$package")
  done
  ((${#missing[@]} > 0)) || return 0
  step "Unpacking ${#missing[@]} packages below $PEERS_ROOT"
  rm -rf "$PEERS_ROOT/archives"
  mkdir "$PEERS_ROOT/archives"
  (cd "$PEERS_ROOT/archives" && apt-get download -qq -o APT::Sandbox::User=root "${missing[@]}") ||
    die "the peers' packages cannot be downloaded"
  for package in "$PEERS_ROOT/archives"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" |
      tar --extract --no-same-owner --directory "$PEERS_ROOT/root" \
        --exclude './usr/share/doc/*' --exclude './usr/share/man/*' --exclude './usr/share/locale/*'
  done
  for package in "${missing[@]}"; do
    touch "$PEERS_ROOT/unpacked/$package"
  done
  rm -rf "$PEERS_ROOT/archives"
}
