# Completion of hotcell(1) for bash. Installed as
# /usr/share/bash-completion/completions/hotcell, or sourced.

_hotcell_commands="convert create dd info compare check inspect digest map measure rebase resize snapshot run policy doctor help"
_hotcell_common="--memory --timeout --limit --require --fail-if-changed --worker --kvm --help"
_hotcell_limits="memory= wall-time= cpu-time= output-bytes= bytes-written= bytes-read=
  virtual-size= report-bytes= references= chain-depth="
_hotcell_layers="no-new-privs closed-fds capabilities user-namespace mount-namespace
  pid-namespace net-namespace ipc-namespace uts-namespace cgroup-namespace rlimits undumpable
  parent-death-signal seccomp landlock session-keyring oom-score user-ids bounding-set securebits speculation
  deny-write-execute dontdump run-rlimits all"

# The options of command $1.
_hotcell_options() {
  case $1 in
    convert)
      echo "-B -b -C -c -F -f -l -m -n -o -O -p -q -r -S -t -T -U -W --source-format --target-format --snapshot
        --progress --quiet --force-share --image-opts --target-is-zero --backing --follow-references --lanes --output --stats
        --target-image-opts --target-format-options --source-cache --target-cache --compress
        --backing-format --sparse-size --no-create --rate-limit --parallel --copy-range-offloading
        --oob-writes
        --inspect --allow-format --max-reader-memory --max-expansion --max-virtual-size --no-check
        $_hotcell_common"
      ;;
    create)
      echo "-b -B -F -f -o -q -u --backing --backing-format --format --options --quiet
        --backing-unsafe $_hotcell_common"
      ;;
    map)
      echo "-f -l -s -U --format --start-offset --max-length --force-share --output --image-opts
        --backing --follow-references $_hotcell_common"
      ;;
    measure)
      echo "-f -l -O -o -s -U --format --snapshot --target-format --options --force-share --size --output --image-opts --backing
        --follow-references $_hotcell_common"
      ;;
    dd)
      echo "-f -n -O -U --format --output-format --force-share --image-opts --backing
        --follow-references $_hotcell_common"
      ;;
    info)
      echo "-f -t -U --format --cache --force-share --backing-chain --backing --follow-references --image-opts
        --output $_hotcell_common"
      ;;
    compare)
      echo "-f -F -p -q -s -T -U --a-format --b-format --progress --quiet --strict --cache
        --force-share --image-opts --backing --follow-references --lanes --output
        $_hotcell_common"
      ;;
    check)
      echo "-f -q -T -U --cache --format --quiet --force-share --image-opts --backing
        --follow-references --output $_hotcell_common"
      ;;
    inspect)
      echo "-f -q -U --format --quiet --force-share --allow-format --max-reader-memory
        --max-expansion --max-virtual-size --no-check --output $_hotcell_common"
      ;;
    digest)
      echo "-f -p -T -U --format --progress --force-share --backing --follow-references --lanes
        --output $_hotcell_common"
      ;;
    rebase)
      echo "-b -B -F -f -p -q -T -t -U -u --backing-format --backing-cache --backing-unsafe --cache
        --format --progress --quiet --force-share --image-opts $_hotcell_common"
      ;;
    resize)
      echo "-f -q --format --quiet --shrink --preallocation --image-opts --backing
        --follow-references $_hotcell_common"
      ;;
    snapshot) echo "-f -l -q -U --format --list --quiet --force-share --image-opts $_hotcell_common" ;;
    run)
      echo "--mode --load --entry --mem --vcpus --serial-input --input --output
        --output-capacity --dirty-pages --registers --vga --verbose -v --stats $_hotcell_common"
      ;;
    policy) echo "--output --help" ;;
    doctor) echo "--output $_hotcell_common" ;;
  esac
}

# The format that the command line asks for so far.
_hotcell_target_format() {
  local i format=raw
  for ((i = 2; i + 1 < COMP_CWORD; i++)); do
    case ${COMP_WORDS[1]}:${COMP_WORDS[i]} in
      *:-O | *:--target-format | create:-f | create:--format) format=${COMP_WORDS[i + 1]} ;;
    esac
  done
  echo "$format"
}

# Words that may follow option $2 of command $1; the word "FILE" stands for file names. Fails when
# the option takes none that are known.
_hotcell_values() {
  case $1:$2 in
    *:--allow-format | *:-F | *:-f | *:-O | *:--format | *:--source-format | *:--target-format | \
      *:--backing-format | *:--output-format | *:--a-format | *:--b-format | create:-B)
      hotcell --help | sed -n "s/^Supported formats: //p"
      ;;
    *:-t | *:-T | *:--cache | *:--source-cache | *:--target-cache) echo "none writeback unsafe directsync writethrough" ;;
    convert:-o | create:-o | measure:-o | *:--options | *:--target-format-options)
      echo help
      hotcell convert -O "$(_hotcell_target_format)" -o help 2>/dev/null |
        sed -n "s/^  \([a-z0-9_]*=\).*/\1/p"
      ;;
    convert:-B | convert:-b | create:-b | create:--backing | rebase:-b | run:--output | *:--input | *:--serial-input | *:--worker | *:--kvm | *:--follow-references)
      echo "FILE"
      ;;
    *:--output) echo "human json" ;;
    *:--mode) echo "real long payload" ;;
    *:--limit) echo "$_hotcell_limits" ;;
    *:--require) echo "$_hotcell_layers" ;;
    snapshot:-l) return 1 ;;
    *:--preallocation) echo "off metadata falloc full" ;;
    *:-l | *:-m | *:-S | *:-s | *:--size | *:--sparse-size | *:--parallel | *:--rate-limit | *:--snapshot | *:--backing | *:--lanes | *:--load | *:--entry | *:--mem | \
      *:--vcpus | *:--output-capacity | *:--max-expansion | *:--max-virtual-size | *:--max-reader-memory | *:--memory | *:--timeout)
      echo ""
      ;;
    *) return 1 ;;
  esac
}

_hotcell() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local command=${COMP_WORDS[1]} values
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "$_hotcell_commands --help --version" -- "$word")
    return
  fi
  if [[ $command == help ]]; then
    mapfile -t COMPREPLY < <(compgen -W "convert create dd info compare check inspect digest map measure rebase resize snapshot run policy doctor" -- "$word")
    return
  fi
  # "--output=js" arrives as three words.
  if [[ $before == "=" ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $word == "=" ]]; then
    word=""
  fi
  if values=$(_hotcell_values "$command" "$before"); then
    if [[ $values == FILE ]]; then
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
    else
      mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
    fi
  elif [[ $command == dd && $word != -* && $word != *=* && $before != "=" ]]; then
    mapfile -t COMPREPLY < <(compgen -W "if= of= bs= count= skip=" -- "$word")
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_hotcell_options "$command")" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
  # After "cluster_size=" and the like comes the value.
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then
    compopt -o nospace 2>/dev/null
  fi
}

complete -o filenames -o bashdefault -F _hotcell hotcell
