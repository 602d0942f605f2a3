# SPDX-License-Identifier: MIT
# man_program.awk: a page of section 1 out of what a program prints for --help:
#
#   convnet-train --help | awk -v version=1.0.0 -v date=2026-11-27 -v programs="info train …" \
#       -f mdoc.awk -f help.awk -f man_program.awk

BEGIN { file = "/dev/stdout" }

END {
    page_head(program, 1, "", brief_of(about))
    put(".Sh SYNOPSIS")
    write_usage()
    put(".Sh DESCRIPTION")
    prose(about)
    put(".Sh OPTIONS")
    put("Values are given as")
    put(".Fl \\-name Ar VALUE")
    put("or")
    put(".Fl \\-name Ns = Ns Ar VALUE ;")
    put("defaults are in brackets.")
    write_options()
    if (members)
        write_members()
    if (remarks ~ /[^\n]/) {
        put(".Sh NOTES")
        prose(remarks)
    }
    if (exit_codes != "") {
        put(".Sh EXIT STATUS")
        write_exit_codes()
    }
    if (examples != "") {
        put(".Sh EXAMPLES")
        literal(examples)
    }
    put(".Sh SEE ALSO")
    count = split(programs, words, " ")
    for (i = 1; i <= count; i++)
        if ("convnet-" words[i] != program)
            put(".Xr " escaped_name("convnet-" words[i]) " 1 ,")
    put(".Xr convnet 3")
}

# Each word of the usage by what it is: an option, its value, what may be left out.
function write_usage(i, count, words, line) {
    count = split(usage, words, " ")
    put(".Nm")
    for (i = 2; i <= count; i++) {
        if (words[i] ~ /^\[OPTION\]/)
            line = ".Op Ar OPTION ..."
        else if (words[i] ~ /^--/ && words[i + 1] ~ /^[A-Z]/)
            line = ".Fl " escaped_name(substr(words[i], 2)) " Ar " words[++i]
        else if (words[i] ~ /^\[.*\]$/)
            line = ".Op Ar " substr(words[i], 2, length(words[i]) - 2)
        else
            line = ".Ar " words[i]
        put(line)
    }
}

function write_options(i, open) {
    for (i = 1; i <= options; i++) {
        if (i in heading) {
            if (open)
                put(".El")
            put(".Ss " escaped(heading[i]))
            open = 0
        }
        if (!open++)
            put(".Bl -tag -width Ds")
        write_option(option[i], option_help[i])
    }
    put(".El")
}

# "--out FILE" or "-h, --help".
function write_option(left, help, words, count, i, item, comma) {
    count = split(left, words, " ")
    item = ".It"
    for (i = 1; i <= count; i++) {
        if (words[i] ~ /^-/) {
            comma = words[i] ~ /,$/ ? " ," : ""
            sub(/,$/, "", words[i])
            item = item " Fl " escaped_name(substr(words[i], 2)) comma
        } else
            item = item " Ar " escaped(words[i])
    }
    put(item)
    flow(help)
}

# "JSON (--json), as jq names it; null is …", and then each member.
function write_members(i) {
    sub(/^JSON \(--json\)/, "What `--json` writes", json_about)
    sub(/:$/, ".", json_about)
    put(".Sh JSON")
    flow(json_about)
    put(".Bl -tag -width Ds")
    for (i = 1; i <= members; i++) {
        put(".It \\&" escaped(member[i]))
        flow(member_help[i])
    }
    put(".El")
}

# "0 trained; 1 something failed; 128 + N ended by signal N": each with what it means.
function write_exit_codes(list, count, i, code, text) {
    put(".Bl -tag -width Ds")
    count = split(exit_codes, list, ";")
    for (i = 1; i <= count; i++) {
        gsub(/^ +| +$/, "", list[i])
        gsub(/  +/, " ", list[i])
        match(list[i], /^[0-9]+( \+ N)?/)
        code = substr(list[i], 1, RLENGTH)
        text = substr(list[i], RLENGTH + 2)
        put(".It " code)
        flow(text)
    }
    put(".El")
}
