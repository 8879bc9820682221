"""The completion for zsh: a function for each command, of _arguments' specifications."""

_OPERANDS = {
    "convert": ["*:file:_files"],
    "create": ["1:image:_files", "2:size:"],
    "dd": ["*:operand:(if= of= bs= count= skip=)"],
    "compare": ["1:first:_files", "2:second:_files"],
    "digest": ["*:image:_files"],
    "resize": ["1:image:_files", "2:size:"],
    "policy": [],
    "doctor": [],
}

_DRIVER = """\
local context state state_descr line
typeset -A opt_args
_arguments -C \\
  '(- *)--help[show help]' '(- *)--version[show the version]' \\
  '1:command:(({commands} help\\:"explain a command"))' \\
  '*::argument:->argument'
if [[ $state == argument ]]; then
  case $line[1] in
    help) _values command {names} ;;
    *) (( $+functions[_hotcell_$line[1]] )) && _hotcell_$line[1] ;;
  esac
fi
"""


def _quoted(text):
    return text.replace("'", "'\\''")


def _described(option):
    """The first clause of the help, as it stands in brackets."""
    text = option.help.split("; ")[0]
    for sign in "\\[]:":
        text = text.replace(sign, "\\" + sign)
    return _quoted(text)


def _action(table, option):
    words = table.words(option)
    if option.completion == "file":
        return "_files"
    if option.completion == "directory":
        return "_files -/"
    if option.completion == "target-options":
        return "_hotcell_target_options"
    if option.completion in ("layers", "formats"):
        return f"_values -s , {option.completion} {' '.join(words)}"
    return f"({' '.join(words)})" if words else ""


def _spec(table, option):
    """One option, whose spellings exclude each other."""
    flags = option.flags
    typed = list(flags)
    tail = ""
    if option.value:
        typed = [f"{flag}=" if flag.startswith("--") else f"{flag}+" for flag in flags]
        name = option.value.lower().replace(",...", "").replace(":", "")
        tail = f":{name}:{_quoted(_action(table, option))}"
    spelled = "{" + ",".join(typed) + "}" if len(typed) > 1 else typed[0]
    text = f"'[{_described(option)}]{tail}'"
    if option.is_repeated:
        return f"'*'{spelled}{text}"
    exclusion = f"'({' '.join(flags)})'" if len(flags) > 1 else ""
    return f"{exclusion}{spelled}{text}"


def _target_options(table):
    yield "# What -o takes for the format that the command line asks for so far."
    yield "_hotcell_target_options() {"
    yield "  local i format=raw"
    yield "  for ((i = 1; i < CURRENT; i++)); do"
    yield "    case $words[i] in"
    yield "      -O | --target-format) format=$words[i+1] ;;"
    yield "      --target-format=*) format=${words[i]#*=} ;;"
    yield "      -f | --format) [[ $words[1] == create ]] && format=$words[i+1] ;;"
    yield "    esac"
    yield "  done"
    yield "  case $format in"
    for name, options in sorted(table.target_options().items()):
        yield f"    {name})"
        yield "      _values -s , option help \\"
        specs = [f"'{option}[{option}]:value:({' '.join(values)})'"
                 for option, values in options.items()]
        yield "        " + " \\\n        ".join(specs or ["help"])
        yield "      ;;"
    yield "  esac\n}\n"


def _command(table, command):
    specs = [_spec(table, option) for option in table.options[command]]
    specs += [f"'{operand}'" for operand in _OPERANDS.get(command, ["1:file:_files"])]
    return f"_hotcell_{command}() {{\n  _arguments -s \\\n    " + " \\\n    ".join(specs) + "\n}\n"


def text(table):
    lines = ["#compdef hotcell",
             "# Completion of hotcell(1) for zsh. Installed as _hotcell in a directory of $fpath.",
             ""]
    lines += _target_options(table)
    lines += [_command(table, command) for command in table.commands]
    commands = " ".join(f'{name}\\:"{_quoted(summary)}"'
                        for name, summary in table.summaries.items())
    lines.append(_DRIVER.format(commands=commands, names=" ".join(table.commands)))
    return "\n".join(lines)
