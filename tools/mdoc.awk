# SPDX-License-Identifier: MIT
# mdoc.awk: what makes manual pages in mdoc(7), shared by man_functions.awk and man_program.awk: `file` is the page that
# is being written, `version` and `date` are those of the release.

function put(line) {
    print line >file
}

# What a formatter would take for its own.
function escaped(text) {
    gsub(/\\/, "\\e", text)
    gsub(/\^/, "\\(ha", text)
    gsub(/~/, "\\(ti", text)
    text = minus(text)
    return text
}

# A hyphen that does not join words is a minus, or part of a name.
function minus(text, result) {
    while (match(text, /(^|[^A-Za-z0-9])-|-[^A-Za-z]/)) {
        result = result substr(text, 1, RSTART - 1)
        text = substr(text, RSTART)
        match(text, /-/)
        result = result substr(text, 1, RSTART - 1) "\\-"
        text = substr(text, RSTART + 1)
    }
    return result text
}

function literal(text, lines, count, i) {
    count = split(text, lines, "\n")
    put(".Bd -literal")
    for (i = 1; i <= count; i++) {
        lines[i] = escaped(lines[i])
        gsub(/-/, "\\-", lines[i])
        gsub(/\\\\-/, "\\-", lines[i])
        gsub(/'/, "\\(aq", lines[i])
        put(lines[i] ~ /^[.]/ ? "\\&" lines[i] : lines[i])
    }
    put(".Ed")
}

# Words in lines of at most 78 characters.
function flow(text, words, count, i, line) {
    text = escaped(text)
    while (match(text, /`[^`]*`/))
        text = substr(text, 1, RSTART - 1) "\\fI" substr(text, RSTART + 1, RLENGTH - 2) "\\fP" substr(text, RSTART + RLENGTH)
    count = split(text, words, " ")
    for (i = 1; i <= count; i++) {
        if (line != "" && (length(line) + length(words[i]) > 77 || line ~ /[.?!]\)?$/)) {
            put_text(line)
            line = words[i]
        } else
            line = line == "" ? words[i] : line " " words[i]
    }
    if (line != "")
        put_text(line)
}

function put_text(line) {
    put(line ~ /^[.']/ ? "\\&" line : line)
}

# A comment: paragraphs, and indented lines as they are.
function prose(text, lines, count, i, flowing, block, pending) {
    count = split(text, lines, "\n")
    flowing = block = ""
    for (i = 1; i <= count; i++) {
        if (lines[i] ~ /^    /) {
            block = block (block == "" ? "" : "\n") substr(lines[i], 5)
            continue
        }
        if (block != "") {
            table(block)
            block = ""
        }
        if (lines[i] != "") {
            if (flowing == "" && pending)
                put(".Pp")
            flowing = flowing " " lines[i]
        }
        if (flowing != "" && (i == count || lines[i + 1] == "" || lines[i + 1] ~ /^    /)) {
            flow(flowing)
            flowing = ""
            pending = 1
        }
    }
    if (block != "")
        table(block)
}

# Indented lines: statuses with what they mean, or as they are.
function table(block, lines, count, i, word, text) {
    if (block !~ /^CN_/) {
        literal(block)
        return
    }
    count = split(block, lines, "\n")
    put(".Bl -tag -width Ds")
    for (i = 1; i <= count; i++) {
        if (lines[i] ~ /^CN_/) {
            tagged(word, text)
            word = text = lines[i]
            sub(/ .*/, "", word)
            sub(/^[^ ]+/, "", text)
        } else
            text = text " " lines[i]
    }
    tagged(word, text)
    put(".El")
}

# The first lines of a page, its other names, each after .Nm, and what it is about.
function page_head(name, number, other_names, about) {
    put(".Dd " month_day(date))
    put(".Dt " toupper(name) " " number)
    put(".Os libconvnet " version)
    put(".Sh NAME")
    put(".Nm " escaped_name(name) (other_names == "" ? "" : " ,"))
    if (other_names != "")
        put(other_names)
    put(".Nd " escaped(about))
}

function escaped_name(name) {
    gsub(/-/, "\\-", name)
    return name
}

function month_day(iso, part, months) {
    split(iso, part, "-")
    split("January February March April May June July August September October November December", months, " ")
    return months[part[2] + 0] " " part[3] + 0 ", " part[1]
}

# The first sentence of a text, or its beginning, in one line that is not too long for NAME.
function brief_of(text) {
    gsub(/\n/, " ", text)
    gsub(/`/, "", text)
    if (match(text, /\. /))
        text = substr(text, 1, RSTART)
    sub(/[. ]*$/, "", text)
    sub(/ \([^()]*\)$/, "", text)
    if (match(text, /..................[:;] /))
        text = substr(text, 1, RSTART + RLENGTH - 3)
    while (length(text) > 100 && match(text, /[,(][^,(]*$/))
        text = substr(text, 1, RSTART - 1)
    while (length(text) > 100)
        sub(/ [^ ]*$/, "", text)
    sub(/ +$/, "", text)
    return text ~ /^[A-Z][a-z]* / ? tolower(substr(text, 1, 1)) substr(text, 2) : text
}

function tagged(word, text) {
    if (word == "")
        return
    put(".It Sy " word)
    flow(text)
}

function sort(list, count, i, j, value) {
    for (i = 2; i <= count; i++) {
        value = list[i]
        for (j = i - 1; j >= 1 && list[j] > value; j--)
            list[j + 1] = list[j]
        list[j + 1] = value
    }
}
