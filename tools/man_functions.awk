# SPDX-License-Identifier: MIT
# man_functions.awk: pages of section 3 out of a header, one for each paragraph of declarations, by their comments:
#
#   awk -v library=convnet -v out=FOLDER -v version=1.0.0 -v date=2026-11-27 -v programs="info train" -f mdoc.awk \
#       -f man_functions.awk pass=1 convnet.h pass=2 convnet.h
#   awk -v library=convnet-mpi … pass=1 convnet.h convnet-mpi.h pass=2 convnet-mpi.h
#
# writes FOLDER/cn_trainer_new.3 and so on, FOLDER/LIBRARY.3 as the way in, and pages that only name another (.so) for
# the other functions and types of a paragraph. Headers are read twice: once for who is on which page, once for the
# pages. What it must look like is what clang-format makes of it:
#
#   - sections begin with a ruled line and a title; a plain comment with nothing below it is about its section
#   - /** comments are about the declaration below; a plain one right above them is about the whole paragraph
#   - lines that are indented in a comment stay as they are; backquotes are around names

FNR == 1 { of_library = FILENAME ~ "(^|/)" library "[.]h$"; preamble = section = ""; in_comment = plain = plain_at = 0; clear_paragraph() }
/^\/\* convnet(-mpi)?[.]h: / { preamble = 1 }
preamble { read_preamble(); next }
/^\/\* -+ \*\/$/ { end_paragraph(); title_next = 1; next }
title_next { title_next = 0; begin_section(); next }
section == "" || old { next }
in_type { in_type = add_type($0); next }
in_define { add_to_macro($0); next }
in_function { add_function($0); next }
in_comment || /^\/\*/ { read_comment(); next }
/^$/ { end_paragraph(); next }
/^#define/ { add_macro(); next }
/^#/ { next }
/^typedef/ { in_type = add_type($0); next }
/^CN_(MPI_)?API/ { add_function($0); next }
END { end_paragraph(); library == "convnet" ? write_way_in() : write_way_into_another() }

# ---- reading ----

function read_preamble() {
    if (/\*\/$/)
        preamble = 0
    if (pass == 1 && of_library) {
        line = $0
        sub(/^(\/\*| \*\/?) ?/, "", line)
        sub(/^convnet-mpi[.]h: /, "", line)
        preamble_text = preamble_text line "\n"
    }
}

function begin_section() {
    section = $0
    gsub(/^\/\* | *\*\/$/, "", section)
    old = section ~ /^Names of before/ # kept for old programs, and told to nobody
    if (pass == 1 && !old && of_library)
        sections[++section_count] = section
}

# One comment, into `comment`, a line a line; what was plain and has its end right above goes to the paragraph or section.
function read_comment(line) {
    line = $0
    if (!in_comment) {
        comment = ""
        plain = line !~ /^\/\*\*/
    }
    in_comment = line !~ /\*\/$/
    sub(/^(\/\*\*?| \*) ?/, "", line)
    sub(/ *\*\/$/, "", line)
    comment = comment line "\n"
    if (!in_comment && plain) {
        paragraph_text = paragraph_text comment
        comment = ""
    }
}

function name_of(line) {
    sub(/\(.*/, "", line)
    sub(/.*[ *]/, "", line)
    return line
}

function add_function(line) {
    declaration = in_function ? declaration " " line : line
    in_function = line !~ /;$/
    if (in_function)
        return
    gsub(/ +/, " ", declaration)
    sub(/^CN_(MPI_)?API /, "", declaration)
    add_item("function", name_of(declaration), declaration)
    declaration = ""
}

# Returns whether the type goes on. Types keep their lines as they are.
function add_type(line) {
    declaration = in_type ? declaration "\n" line : line
    if (!in_type && line ~ /\{$/ || in_type && line !~ /^}/)
        return 1
    name = line
    if (line ~ /\(\*cn_/)
        match(name, /cn_[a-z0-9_]+\)/)
    else
        match(name, /cn_[a-z0-9_]+;/)
    add_item("type", substr(name, RSTART, RLENGTH - 1), declaration)
    declaration = ""
    return 0
}

function add_macro() {
    macro = $2
    sub(/\(.*/, "", macro)
    macro_text = ""
    add_to_macro($0)
}

# Short ones are shown as they are; those that fill structs are the members' defaults.
function add_to_macro(line) {
    in_define = line ~ /\\$/
    sub(/ *\\$/, "", line)
    macro_text = macro_text line "\n"
    if (in_define)
        return
    if (macro ~ /_INIT$/ && pass == 1)
        read_defaults(macro, macro_text)
    sub(/\n$/, "", macro_text)
    add_item("macro", macro, macro_text ~ /\n/ ? "" : macro_text)
}

function add_item(kind, name, text) {
    item_kind[++items] = kind
    item_name[items] = name
    item_text[items] = text
    item_comment[items] = comment
    comment = ""
    if (kind == "type" && pass == 1)
        read_members(name, text)
}

# The members of a struct or enumeration, statement by statement, each with its comment, above or behind it; and, of a
# struct, how many values each takes in the macro that fills it.
function read_members(name, text, lines, count, i, statement, remark, in_remark, part, end) {
    count = split(text, lines, "\n")
    end = /^typedef enum/ ? "," : ";"
    for (i = 2; i < count; i++) {
        part = lines[i]
        if (!in_remark && match(part, /\/\*\*<? ?/)) {
            statement = statement " " substr(part, 1, RSTART - 1)
            part = substr(part, RSTART + RLENGTH)
            in_remark = 1
        }
        if (in_remark) {
            in_remark = part !~ /\*\/$/
            sub(/^ *(\* )?/, "", part)
            sub(/ *\*\/$/, "", part)
            remark = remark " " part
        } else
            statement = statement " " part
        gsub(/^ +| +$/, "", statement)
        gsub(/  +/, " ", statement)
        if (!in_remark && (text ~ /^typedef enum/ ? statement != "" : statement ~ /;$/)) {
            sub(/[;,]$/, "", statement)
            member[name, ++members[name]] = statement
            member_remark[name, members[name]] = remark
            statement = remark = ""
        }
    }
}

# "a" and "b" of "int a, b" take a value each; a pointer to a function, whose commas separate parameters, takes one.
function values_of(statement) {
    return statement ~ /\(/ ? 1 : gsub(/,/, ",", statement) + 1
}

# What stands between the outer braces of a macro that fills a struct, value by value.
function read_defaults(name, text, i, c, depth, value, struct) {
    struct = tolower(name)
    sub(/_init$/, "", struct)
    gsub(/[ \n]+/, " ", text)
    sub(/^[^{]*\{ */, "", text)
    sub(/ *\}[^}]*$/, "", text)
    for (i = 1; i <= length(text) + 1; i++) {
        c = i > length(text) ? "," : substr(text, i, 1)
        depth += (c == "{") - (c == "}")
        if (c == "," && depth == 0) {
            gsub(/^ +| +$/, "", value)
            usual[struct, ++usual_count[struct]] = value
            value = ""
        } else
            value = value c
    }
}

function clear_paragraph() {
    items = 0
    comment = paragraph_text = ""
}

function end_paragraph(i, page) {
    if (items == 0) {
        if (pass == 1 && paragraph_text != "")
            section_text[section] = section_text[section] paragraph_text "\n"
    } else {
        page = page_name()
        if (page != "") {
            for (i = 1; i <= items; i++)
                page_of[item_name[i]] = page
            if (pass == 1) {
                section_pages[section] = section_pages[section] " " page
                section_of[page] = section
                brief_of_page[page] = brief()
            } else
                write_page(page)
        }
    }
    clear_paragraph()
}

# The first function that does more than fill in a struct; else the first type, else that function.
function page_name(i, found) {
    for (i = 1; i <= items; i++)
        if (item_kind[i] == "function" && item_name[i] !~ /_init$|_free$/ || item_name[i] == "cn_model_init")
            return item_name[i]
    for (i = 1; i <= items; i++)
        if (item_kind[i] != "macro")
            return item_name[i]
    return ""
}

# The first sentence about what gives the page its name, or its beginning, in one line that is not too long for NAME.
function brief(i, text, page) {
    page = page_name()
    for (i = 1; i <= items; i++)
        if (item_name[i] == page)
            text = item_comment[i]
    if (paragraph_text != "")
        text = paragraph_text
    if (text == "")
        return (item_text[1] ~ /^typedef enum/ ? "values of " : "members and defaults of ") page
    return brief_of(text)
}

# ---- writing ----

function write_page(page, i, names, returns_status, told, listed) {
    for (i = 1; i <= items; i++)
        if (item_kind[i] != "macro" && item_name[i] != page)
            names = names (names == "" ? "" : " ,\n") ".Nm " item_name[i]
    file = out "/" page ".3"
    page_head(page, 3, names, brief_of_page[page])
    put_library()
    mentioned = paragraph_text
    for (i = 1; i <= items; i++) {
        mentioned = mentioned " " item_comment[i] " " item_text[i]
        if (item_kind[i] == "type" && item_text[i] ~ /\{|\(/ || item_kind[i] == "macro" && item_text[i] != "") {
            literal(without_remarks(item_name[i], item_text[i]))
        } else if (item_kind[i] == "type")
            put(".Vt " item_text[i])
        else if (item_kind[i] == "function") {
            if (i > 1 && item_kind[i - 1] != "function")
                put(".Pp")
            returns_status += item_text[i] ~ /^cn_status /
            synopsis_of(item_text[i])
        }
    }
    put(".Sh DESCRIPTION")
    for (i = 1; i <= items; i++) {
        item_told[i] = item_kind[i] != "macro" && (item_comment[i] != "" || item_name[i] in members)
        told += item_told[i]
    }
    prose(paragraph_text)
    listed = told > 1 || told && paragraph_text != ""
    if (listed)
        put(".Bl -tag -width Ds")
    for (i = 1; i <= items; i++) {
        if (!item_told[i])
            continue
        if (listed)
            put(".It " (item_kind[i] == "function" ? "Fn " : "Vt ") item_name[i])
        prose(item_comment[i])
        if (item_name[i] in members)
            list_members(item_name[i])
    }
    if (listed)
        put(".El")
    else if (!told && paragraph_text == "")
        put("What the names say.")
    structs_of(page)
    if (returns_status) {
        put(".Sh RETURN VALUES")
        put((returns_status > 1 || items > 1 ? "Functions that return" : "It returns") " a")
        put(".Vt cn_status")
        put((returns_status > 1 || items > 1 ? "return" : "which is") " CN_OK (0), or what went wrong, which")
        put(".Xr " last_error() " 3")
        put("has in words.")
        put(".Xr convnet 3")
        put("says what is true of all of them.")
    }
    put(".Sh SEE ALSO")
    see_also(page, mentioned " " (item_text[1] ~ /^typedef struct [a-z0-9_]+ [a-z0-9_]+;/ ? section_pages[section] : ""))
    for (i = 1; i <= items; i++)
        if (item_kind[i] != "macro" && item_name[i] != page) {
            file = out "/" item_name[i] ".3"
            put(".so man3/" page ".3")
            close(file)
        }
    file = out "/" page ".3"
    close(file)
}

# A struct or enumeration as its statements alone.
function without_remarks(name, text, i, result) {
    if (!(name in members))
        return text
    result = substr(text, 1, index(text, "{"))
    for (i = 1; i <= members[name]; i++)
        result = result "\n    " member[name, i] (text ~ /^typedef enum/ ? i < members[name] ? "," : "" : ";")
    return result "\n} " name ";"
}

# Members with what they mean and, of a struct that a macro fills, their defaults.
function list_members(name, i, at) {
    put(".Bl -tag -width Ds")
    for (i = at = 1; i <= members[name]; at += values_of(member[name, i++])) {
        if (member[name, i] ~ / (size|reserved)$|[ *]reserved_pointer$/)
            continue
        put(".It Va \"" escaped(with_defaults(name, member[name, i], at)) "\"")
        flow(member_remark[name, i])
    }
    put(".El")
}

# "int height, width" as "int height = 32, width = 32".
function with_defaults(name, statement, at, parts, count, i, result) {
    if (!(name in usual_count))
        return statement
    if (statement ~ /\(/)
        return statement " = " usual[name, at]
    count = split(statement, parts, ", ")
    for (i = 1; i <= count; i++)
        result = result (i > 1 ? ", " : "") parts[i] " = " usual[name, at + i - 1]
    return result
}

# The prototype, parameter by parameter.
function synopsis_of(text, type, rest, list, count, i, depth, part, c) {
    type = text
    sub(/ *\*?cn_[a-z0-9_]+\(.*/, "", type)
    if (text ~ /\*cn_[a-z0-9_]+\(/)
        type = type " *"
    rest = text
    sub(/^[^(]*\(/, "", rest)
    sub(/\);$/, "", rest)
    put(".Ft " (type ~ / / ? "\"" type "\"" : type))
    put(".Fo " name_of(text))
    for (i = 1; i <= length(rest); i++) {
        c = substr(rest, i, 1)
        depth += (c == "(") - (c == ")")
        if (c == "," && depth == 0) {
            put(".Fa \"" part "\"")
            part = ""
        } else if (!(c == " " && part == ""))
            part = part c
    }
    if (part != "void")
        put(".Fa \"" part "\"")
    else
        put(".Fa void")
    put(".Fc")
}

# What the functions take that begins with its size, and is on another page.
function structs_of(page, i, text, name, seen, first) {
    for (i = 1; i <= items; i++) {
        if (item_kind[i] != "function")
            continue
        text = item_text[i]
        while (match(text, /cn_[a-z0-9_]+ \*/)) {
            name = substr(text, RSTART, RLENGTH - 2)
            text = substr(text, RSTART + RLENGTH)
            if (!(name in members) || page_of[name] == page || name in seen)
                continue
            seen[name]
            if (!first++)
                put(".Sh MEMBERS")
            put("Those of")
            put(".Vt " name ":")
            list_members(name)
        }
    }
}

function see_also(page, text, name, list, count, i, names, seen) {
    if (page != last_error())
        text = text " " last_error()
    while (match(text, /cn_[a-z0-9_]+/)) {
        name = substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
        if (name in page_of && page_of[name] != page && !(page_of[name] in seen)) {
            seen[page_of[name]]
            names = names " " page_of[name]
        }
    }
    count = split(names " convnet", list, " ")
    sort(list, count)
    for (i = 1; i <= count; i++)
        put(".Xr " list[i] " 3" (i < count ? " ," : ""))
}

function last_error() {
    return library == "convnet" ? "cn_last_error" : "cn_mpi_last_error"
}

function put_library() {
    put(".Sh LIBRARY")
    put("lib" library " (\\-l" escaped_name(library) ")")
    put(".Sh SYNOPSIS")
    put(".In " library ".h")
}

function put_compiling() {
    put(".Pp")
    put(".Dl cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs " escaped_name(library) ")")
}

# ---- convnet(3) ----

function write_way_in(lines, count, i) {
    file = out "/convnet.3"
    page_head("convnet", 3, "", "train and run convolutional networks on a CPU")
    put_library()
    put_compiling()
    put(".Sh DESCRIPTION")
    put("All that the library offers is listed below, section by section, with a page for")
    put("each group of functions.")
    put("A page is also found by the name of any function, struct or enumeration.")
    put(".Sh CONVENTIONS")
    way_in_conventions()
    put_functions()
    put(".Sh SEE ALSO")
    count = split(programs, lines, " ")
    for (i = 1; i <= count; i++)
        put(".Xr " escaped_name("convnet-" lines[i]) " 1" (i < count ? " ," : ""))
}

# The other library's: what its header begins with.
function write_way_into_another() {
    file = out "/" library ".3"
    page_head(library, 3, "", brief_of(preamble_text))
    put_library()
    put_compiling()
    put(".Sh DESCRIPTION")
    prose(preamble_text)
    put_functions()
    put(".Sh SEE ALSO")
    put(".Xr convnet\\-train 1 ,")
    put(".Xr convnet 3")
}

function put_functions(i, j, pages, page_count) {
    put(".Sh FUNCTIONS")
    for (i = 1; i <= section_count; i++) {
        put(".Ss " escaped(sections[i]))
        prose(section_text[sections[i]])
        page_count = split(section_pages[sections[i]], pages, " ")
        put(".Bl -tag -width Ds -compact")
        for (j = 1; j <= page_count; j++) {
            put(".It Xr " pages[j] " 3")
            flow(brief_of_page[pages[j]])
        }
        put(".El")
    }
}

# " Results     Whatever …" and the lines below it that are indented further: a word and what is true of it.
function way_in_conventions(lines, count, i, word, text) {
    count = split(preamble_text, lines, "\n")
    for (i = 1; i <= count && lines[i] !~ /^ [A-Za-z]+  +/; i++)
        ;
    put(".Bl -tag -width Ds")
    for (; i <= count && lines[i] ~ /^ /; i++) {
        if (match(lines[i], /^ [A-Za-z]+  +/)) {
            tagged(word, text)
            word = substr(lines[i], 2, index(substr(lines[i], 2), " ") - 1)
            text = ""
            sub(/^ [A-Za-z]+ +/, "", lines[i])
        }
        text = text " " lines[i]
    }
    tagged(word, text)
    put(".El")
    for (; i <= count; i++)
        flow(lines[i])
}
