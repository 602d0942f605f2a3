# SPDX-License-Identifier: MIT
# help.awk: reads what a program prints for --help, for man_program.awk and completion.awk: usage, what the program does,
# options under headings, members of JSON, and remarks, of which those that begin with "Examples:" (or one) and "Exit codes:"
# stand apart.

/^Usage: / { usage = $0; sub(/^Usage: /, "", usage); split(usage, words, " "); program = words[1]; next }
part == "" && /^Options \(/ { part = "options"; next }
part == "" { about = about $0 "\n"; next }
part == "options" && /^  -V/ { part = "last option" }
part == "last option" && /^$/ { part = "remarks"; next }
part == "remarks" && /^JSON \(/ { part = "json"; json_about = $0; next }
part == "json" && /^$/ { part = "remarks"; next }
part == "json" { read_member(); next }
/^Examples?:/ { part = "examples"; next }
/^Exit codes: / { part = "exit"; sub(/^Exit codes: /, "") }
part == "options" || part == "last option" { read_option(); next }
part == "remarks" { remarks = remarks $0 "\n"; next }
part == "examples" { if ($0 != "") examples = examples (examples == "" ? "" : "\n") substr($0, 3); next }
part == "exit" { exit_codes = exit_codes " " $0 }

# "  .classes[].name      what it is", or that below it.
function read_member(line, beside) {
    line = $0
    if (line ~ /^  \./) {
        beside = length(line) > 25 && substr(line, 24, 2) == "  "
        member[++members] = substr(line, 3, beside ? 22 : length(line))
        member_help[members] = beside ? substr(line, 26) : ""
        sub(/ +$/, "", member[members])
    } else {
        sub(/^ +/, " ", line)
        member_help[members] = member_help[members] line
    }
}

# "  --out FILE           what it does", below that more of the same; or a heading for the next ones.
function read_option(line, beside) {
    line = $0
    if (line ~ /^  -/) {
        # What it does stands beside it where there is room, else below.
        beside = length(line) > 25 && substr(line, 25, 1) == " "
        option[++options] = substr(line, 3, beside ? 22 : length(line))
        option_help[options] = beside ? substr(line, 26) : ""
        sub(/ +$/, "", option[options])
    } else if (line ~ /^ /) {
        sub(/^ +/, " ", line)
        option_help[options] = option_help[options] line
    } else if (sub(/:$/, "", line))
        heading[options + 1] = line
}
