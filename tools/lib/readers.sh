# shellcheck shell=bash
# Unpacks programs of newer Debian releases into a folder, beside which nothing of the machine
# changes: other versions of qemu-img, and VirtualBox's vbox-img, that read images as this one's do
# not. They run with the C library of their own release.
#
#   readers_install DIRECTORY     DIRECTORY/trixie, DIRECTORY/sid, and DIRECTORY/bin to run them by

# What vbox-img and the two libraries beside it link against, of all that VirtualBox depends on.
readonly READERS_VBOX_LIBRARIES='^(lib(c6|curl|lzf|lzma|ssl|stdc|gcc|xml2)|zlib1g)'

# Address of the mirror that this machine takes its own release of Debian from.
# shellcheck disable=SC2016  # apt's own variables
readers_mirror() {
  local release
  release=$(. /etc/os-release && say "${VERSION_CODENAME:-}")
  apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' \
    'Origin: Debian' 2>/dev/null |
    awk -v release="$release" '$2 == release && $3 == "main" { print $1; exit }'
}

# readers_apt STATE COMMAND ARGUMENT...: apt with the lists and the status of a machine on which
# nothing is installed, so that a package comes with all that it needs.
readers_apt() {
  local state=$1 command=$2
  shift 2
  "$command" -q -o Dir::Etc::sourcelist="$state/sources.list" \
    -o Dir::Etc::sourceparts="$state/none" -o Dir::Etc::preferencesparts="$state/none" \
    -o Dir::State="$state" -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" \
    -o Debug::NoLocking=true \
    -o APT::Sandbox::User=root -o APT::Install-Recommends=false -o Acquire::Languages=none "$@"
}

readers_new_state() {
  local state=$1 release=$2 mirror=$3
  mkdir -p "$state"/{none,lists/partial,cache/archives/partial}
  : >"$state/status"
  local keys=/usr/share/keyrings/debian-archive-keyring.gpg
  printf 'deb [signed-by=%s] %s %s main contrib\n' "$keys" "$mirror" "$release" \
    >"$state/sources.list"
  readers_apt "$state" apt-get update
}

# readers_unpack STATE ROOT: all packages that were fetched, but for what they do when installed.
readers_unpack() {
  local package
  for package in "$1"/cache/archives/*.deb; do
    dpkg -x "$package" "$2"
  done
}

# readers_wrap DIRECTORY RELEASE PROGRAM NAME: DIRECTORY/bin/NAME, for use by hand.
readers_wrap() {
  local root=$1/$2
  cat >"$1/bin/$4" <<EOF
#!/bin/sh
QEMU_MODULE_DIR=$root/none exec $root/usr/lib64/ld-linux-x86-64.so.2 --library-path \\
  $root/usr/lib/x86_64-linux-gnu:$root/usr/lib/virtualbox $root/$3 "\$@"
EOF
  chmod +x "$1/bin/$4"
}

readers_install() {
  local directory=$1 mirror release state libraries
  mirror=$(readers_mirror)
  [[ -n $mirror ]] || die "apt knows no mirror of this release of Debian"
  mkdir -p "$directory/bin"
  for release in trixie sid; do
    [[ -e $directory/$release/complete ]] && continue
    step "Unpacking readers of Debian $release into $directory/$release"
    state=$(mktemp -d)
    readers_new_state "$state" "$release" "$mirror"
    libraries=()
    if [[ $release == sid ]]; then
      mapfile -t libraries < <(readers_apt "$state" apt-cache depends virtualbox |
        sed -n 's/^ *Depends: //p' | grep -E "$READERS_VBOX_LIBRARIES")
      # Without its other dependencies, which are those of a desktop.
      (cd "$state/cache/archives" && readers_apt "$state" apt-get download virtualbox)
    fi
    readers_apt "$state" apt-get install --download-only -y qemu-utils "${libraries[@]}"
    rm -rf "${directory:?}/$release"
    readers_unpack "$state" "$directory/$release"
    rm -rf "$state"
    mkdir -p "$directory/$release/usr/lib64"
    [[ -e $directory/$release/usr/lib64/ld-linux-x86-64.so.2 ]] ||
      ln -s ../../lib64/ld-linux-x86-64.so.2 "$directory/$release/usr/lib64/"
    touch "$directory/$release/complete"
  done
  readers_wrap "$directory" trixie usr/bin/qemu-img qemu-img-trixie
  readers_wrap "$directory" sid usr/bin/qemu-img qemu-img-sid
  readers_wrap "$directory" sid usr/lib/virtualbox/vbox-img vbox-img
}
