"""The completion for fish."""

_HEAD = """\
# Completion of hotcell(1) for fish. Installed as
# /usr/share/fish/vendor_completions.d/hotcell.fish.

# Whether that command is given; without an argument, whether any is.
function __hotcell_has
    set -l words (commandline -opc)
    test (count $words) -gt 1; or return 1
    test (count $argv) -eq 0; or test $words[2] = $argv[1]
end

# The format that the command line asks for so far.
function __hotcell_target_format
    set -l words (commandline -opc)
    set -l format raw
    for i in (seq 3 (count $words))
        switch "$words[2]:$words[$i]"
            case '*:-O' '*:--target-format' 'create:-f' 'create:--format'
                set format $words[(math $i + 1)]
            case '*:--target-format=*' 'create:--format=*'
                set format (string replace -r '.*=' '' -- $words[$i])
        end
    end
    echo $format
end
"""


def _quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _target_options(table):
    yield "\n# What -o takes for that format."
    yield "function __hotcell_target_options"
    yield "    switch (__hotcell_target_format)"
    for name, options in sorted(table.target_options().items()):
        words = ["help"]
        for option, values in options.items():
            words += [f"{option}={value}" for value in values] or [f"{option}="]
        yield f"        case {name}"
        yield f"            printf '%s\\n' {' '.join(words)}"
    yield "    end\nend\n"


def _values(table, option):
    if option.completion == "file":
        return "-r"
    if option.completion == "directory":
        return "-x -a '(__fish_complete_directories)'"
    if option.completion == "target-options":
        return "-x -a '(__fish_append , (__hotcell_target_options))'"
    words = table.words(option)
    if not words:
        return "-x"
    if option.completion in ("layers", "formats"):
        return f"-x -a '(__fish_append , {' '.join(words)})'"
    return f"-x -a {_quoted(' '.join(words))}"


def _option(table, command, option):
    parts = ["complete -c hotcell", f"-n '__hotcell_has {command}'"]
    if option.letter:
        parts.append(f"-s {option.letter}")
    parts += [f"-l {name}" for name in option.told_names]
    if option.value:
        parts.append(_values(table, option))
    if option.help:
        parts.append(f"-d {_quoted(option.help.split('; ')[0])}")
    return " ".join(parts)


def text(table):
    lines = [_HEAD.rstrip("\n")]
    lines += _target_options(table)
    none = "-n 'not __hotcell_has'"
    lines.append(f"complete -c hotcell {none} -f -l help -d 'show help'")
    lines.append(f"complete -c hotcell {none} -f -l version -d 'show the version'")
    for name, summary in table.summaries.items():
        lines.append(f"complete -c hotcell {none} -f -a {name} -d {_quoted(summary)}")
    lines.append(f"complete -c hotcell {none} -f -a help -d 'explain a command'")
    lines.append("complete -c hotcell -n '__hotcell_has help' -f -a "
                 + _quoted(" ".join(table.commands)))
    lines.append("complete -c hotcell -n '__hotcell_has dd' -f -a "
                 "'if= of= bs= count= skip='")
    for command in table.commands:
        lines.append("")
        lines += [_option(table, command, option) for option in table.options[command]]
    return "\n".join(lines) + "\n"
