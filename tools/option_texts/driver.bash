# The format that the command line asks for so far.
_hotcell_target_format() {
  local i format=raw
  for ((i = 2; i + 1 < COMP_CWORD; i++)); do
    case ${COMP_WORDS[1]}:${COMP_WORDS[i]} in
      *:-O | *:--target-format | create:-f | create:--format)
        format=${COMP_WORDS[i + 1]}
        # "--target-format=qcow2" arrives as three words.
        [[ $format == "=" ]] && format=${COMP_WORDS[i + 2]}
        ;;
    esac
  done
  echo "$format"
}

_hotcell() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local command=${COMP_WORDS[1]} values
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "$_hotcell_commands help --help --version" -- "$word")
    return
  fi
  if [[ $command == help ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$_hotcell_commands" -- "$word")
    return
  fi
  # "--output=js" arrives as three words.
  if [[ $word == "=" ]]; then
    word=""
  elif [[ $before == "=" ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if values=$(_hotcell_values "$command" "$before"); then
    [[ $values == TARGET_OPTIONS ]] && values=$(_hotcell_target_options "$(_hotcell_target_format)")
    if [[ $values == FILE ]]; then
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
    else
      mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
    fi
  elif [[ $command == dd && $word != -* && $word != *=* && $before != "=" ]]; then
    mapfile -t COMPREPLY < <(compgen -W "if= of= bs= count= skip=" -- "$word")
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_hotcell_options "$command")" -- "$word")
  elif values=$(_hotcell_target_values "$(_hotcell_target_format)" "$before") && [[ $values ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
  # After "cluster_size=" and the like comes the value.
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then
    compopt -o nospace 2>/dev/null
  fi
}

complete -o filenames -o bashdefault -F _hotcell hotcell
