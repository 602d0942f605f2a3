# SPDX-License-Identifier: MIT
# facts.awk: turns convnet.h into a C program that prints what programs compiled against it rely on, a fact a line:
#
#   KEY <tab> VALUE      member cn_conv2d_options.stride <tab> int [2], 8 bytes at 8
#
# of functions, callbacks and types; members of structs, with offset and size as the compiler has them; structs that
# cannot grow, since they do not begin with their size; enumerators; macros; and defaults, member by member, as bytes.

function squeeze(text) {
    gsub(/[ \t]+/, " ", text)
    gsub(/^ | $/, "", text)
    return text
}

function quoted(text) {
    gsub(/\\/, "\\\\", text)
    gsub(/"/, "\\\"", text)
    return "\"" text "\""
}

function fact(key, value) {
    print "TEXT(" quoted(key) ", " quoted(value) ")"
}

# The parameters between ( and ), by their types alone: who names one otherwise changes nothing.
function types_of(parameters, list, count, i, types) {
    count = split(parameters, list, ",")
    for (i = 1; i <= count; i++) {
        list[i] = squeeze(list[i])
        if (list[i] != "void")
            sub(/[A-Za-z0-9_]+(\[[A-Z_0-9]*\])*$/, "&\n", list[i])
        if (match(list[i], /[A-Za-z0-9_]+(\[[A-Z_0-9]*\])*\n$/)) {
            tail = substr(list[i], RSTART, RLENGTH - 1)
            sub(/^[A-Za-z0-9_]+/, "", tail)
            list[i] = squeeze(substr(list[i], 1, RSTART - 1) tail)
        }
        types = types (i > 1 ? ", " : "") list[i]
    }
    return types
}

function struct_of(name, body, statements, count, i) {
    count = split(body, statements, ";")
    has_size = squeeze(statements[1]) == "uint64_t size"
    if (!has_size)
        print "FIXED(" name ")"
    member_count[name] = 0
    for (i = 1; i < count; i++)
        members_of(name, squeeze(statements[i]))
}

function members_of(name, statement, names, count, i, type, extent, shared) {
    if (match(statement, /\(\*[a-z0-9_]+\)/)) { # a function
        member(name, substr(statement, RSTART + 2, RLENGTH - 3),
               substr(statement, 1, RSTART - 1) "(*)" squeeze(substr(statement, RSTART + RLENGTH)))
        return
    }
    count = split(statement, names, ",")
    for (i = 1; i <= count; i++) {
        type = squeeze(names[i])
        extent = ""
        if (match(type, /\[.*\]$/)) {
            extent = " " substr(type, RSTART)
            type = substr(type, 1, RSTART - 1)
        }
        match(type, /[a-z0-9_]+$/)
        if (i == 1)
            shared = squeeze(substr(type, 1, RSTART - 1))
        member(name, substr(type, RSTART), shared extent)
    }
}

function member(name, its_name, type) {
    member_name[name, ++member_count[name]] = its_name
    print "MEMBER(" name ", " its_name ", " quoted(type) ")"
}

function enumerators_of(type, body, names, count, i) {
    gsub(/=[^,]*/, "", body)
    count = split(body, names, ",")
    for (i = 1; i <= count; i++)
        if ((names[i] = squeeze(names[i])) != "")
            print "ENUMERATOR(" type ", " names[i] ")"
}

function macro(text, name, type, i) {
    sub(/^# *define /, "", text)
    match(text, /^[A-Za-z0-9_]+(\([^)]*\))?/)
    name = substr(text, 1, RLENGTH)
    text = squeeze(substr(text, RLENGTH + 1))
    if (name ~ /^(CONVNET_H|CN_API|CN_VERSION_(MAJOR|MINOR|PATCH|SUFFIX))$/)
        return
    if (match(text, /^\{ ?sizeof\([a-z0-9_]*\)/)) { # a struct's values; what it gains later is no change of them
        type = substr(text, RSTART, RLENGTH)
        gsub(/.*\(|\)/, "", type)
        print "{ static const " type " values = " name ";"
        for (i = 1; i <= member_count[type]; i++)
            if (member_name[type, i] != "size")
                print "VALUE(" quoted(name) ", " member_name[type, i] ")"
        print "}"
    } else
        fact("macro " name, text)
}

function declaration(text, name, body) {
    text = squeeze(text)
    if (match(text, /\{.*\}/)) {
        body = substr(text, RSTART + 1, RLENGTH - 2)
        split(text, words, " ")
        name = words[3]
        if (text ~ /^typedef struct/)
            struct_of(name, body)
        else if (text ~ /^typedef enum/)
            enumerators_of(name, body)
        else
            function_of(substr(text, 1, index(text, "{") - 1))
    } else if (match(text, /\(\*[a-z0-9_]+\)/))
        fact("callback " substr(text, RSTART + 2, RLENGTH - 3),
             substr(text, 9, RSTART - 9) "(" types_of(inside(substr(text, RSTART + RLENGTH))) ")")
    else if (text ~ /\(/)
        function_of(text)
    else if (text ~ /^typedef/)
        fact("type " words_last(text), text)
}

function words_last(text, words) {
    return words[split(text, words, " ")]
}

function inside(text) {
    match(text, /\(.*\)/)
    return substr(text, RSTART + 1, RLENGTH - 2)
}

function function_of(text, name, before) {
    before = substr(text, 1, index(text, "(") - 1)
    match(before, /[a-z0-9_]+$/)
    name = substr(before, RSTART)
    before = squeeze(substr(before, 1, RSTART - 1))
    sub(/^CN_API /, "", before)
    fact("function " name, before " (" types_of(inside(text)) ")")
}

BEGIN {
    print "#include HEADER"
    print "#include <stdio.h>"
    print "#define TEXT(key, value) puts(key \"\\t\" value);"
    print "#define FIXED(s) printf(\"struct \" #s \"\\t%zu bytes for ever\\n\", sizeof(s));"
    print "#define MEMBER(s, m, type) printf(\"member %s\\t%s, %zu bytes at %zu\\n\", #s \".\" #m, type, " \
          "sizeof ((s *)0)->m, offsetof(s, m));"
    print "#define ENUMERATOR(e, name) printf(\"enumerator %s\\t%d in %s\\n\", #name, (int)name, #e);"
    print "#define VALUE(macro, m) show(macro \".\" #m, &values.m, sizeof values.m);"
    print "static void show(const char *key, const void *bytes, size_t count) {"
    print "    printf(\"default %s\\t\", key);"
    print "    for (size_t i = 0; i < count; i++)"
    print "        printf(\"%02x\", ((const unsigned char *)bytes)[i]);"
    print "    puts(\"\");"
    print "}"
    print "int main(void) {"
}

# Comments go, lines that go on are joined, and of what only C++ sees nothing is left.
{ line = whole $0; whole = "" }
line ~ /\\$/ { sub(/\\$/, " ", line); whole = line; next }
{
    $0 = line
    gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, " ")
    if (in_comment && !sub(/.*\*\//, ""))
        next
    in_comment = sub(/\/\*.*/, "")
}
/^#ifdef __cplusplus/ { skipped = 1 }
/^#endif/ { skipped = 0 }
skipped { next }
/^# *define/ { macro($0); next }
/^#/ || /^[ \t]*$/ { next }
{
    text = text " " $0
    depth += gsub(/\{/, "{") - gsub(/\}/, "}")
    if (depth == 0 && (/;[ \t]*$/ || text ~ /^ static inline.*\}/)) {
        sub(/;[ \t]*$/, "", text)
        declaration(text)
        text = ""
    }
}

END { print "return 0; }" }
