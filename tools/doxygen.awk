# SPDX-License-Identifier: MIT
# doxygen.awk: convnet.h as Doxygen reads it: sections become groups, plain comments the texts of these, the first comment
# the main page; of what Doxygen would take for a command, a tag or emphasis, nothing is.

BEGIN { print "/** @file */" }

sub(/^\/\* convnet.h: /, "/** @mainpage libconvnet\n *\n * ") { preamble = 1 }
preamble && /^ \*  [A-Za-z]+  +/ {
    word = $2
    sub(/^ \*  [A-Za-z]+ +/, "")
    print (listed++ ? " * </dd>" : " * <dl>") "\n * <dt>" word "</dt><dd>"
    print " * " text_of($0)
    next
}
preamble && listed == 0 && /^ \*  ?/ { print; next }
preamble && listed && /^ \*   / { sub(/^ \* */, ""); print " * " text_of($0); next }
preamble && listed && /^ \*$/ { print " * </dd></dl>"; print; next }
preamble && /^ \*\/$/ { preamble = 0 }

/^\/\* -+ \*\/$/ { getline; begin_group(); next }
/^#ifdef __cplusplus/ && group { print "/** @} */"; group = "" }
/^\/\* / && group { reopening = 1; print "/** @} */"; sub(/^\/\*/, "/** @addtogroup " group "\n *") }

{ print in_comment || /\/\*/ ? comment_line($0) : $0 }
reopening && !in_comment { reopening = 0; print "/** @addtogroup " group "\n * @{ */" }

function begin_group() {
    sub(/^\/\* */, "")
    sub(/ *\*\/$/, "")
    if (group)
        print "/** @} */"
    group = tolower($0)
    sub(/:.*/, "", group)
    gsub(/[^a-z]+/, "_", group)
    print "/** @defgroup " group " " text_of($0) "\n * @{ */"
}

# Escapes what stands within a comment on this line; what is indented in one stays as it is.
function comment_line(line, start, end, before, after) {
    before = after = ""
    if (!in_comment) {
        match(line, /\/\*\*?<?( @[a-z]+ .*\n \*)?/)
        before = substr(line, 1, RSTART + RLENGTH - 1)
        line = substr(line, RSTART + RLENGTH)
    } else if (line ~ /^ \*     / && line !~ /\*\/$/)
        return line
    in_comment = 1
    end = index(line, "*/")
    if (end) {
        after = substr(line, end)
        line = substr(line, 1, end - 1)
        in_comment = 0
    }
    if (match(line, /^ \* ?/)) {
        before = before substr(line, 1, RLENGTH)
        line = substr(line, RLENGTH + 1)
    }
    return before text_of(line) after
}

function text_of(text, parts, count, i, result) {
    count = split(text, parts, "`")
    for (i = 1; i <= count; i++) {
        if (i % 2 == 1) {
            gsub(/\\/, "\\\\", parts[i])
            gsub(/[@<>#*&%]/, "\\\\&", parts[i])
        }
        result = result (i > 1 ? "`" : "") parts[i]
    }
    return result
}
