#!/bin/sh
# abi.sh: prints what programs compiled against convnet.h rely on beside its functions: the size of each struct, offset
# and size of each member, the value of each enumerator, as the compiler has them. tests/abi.txt is what it prints where
# long and pointers have 64 bits; a difference breaks programs unless only lines come in at the end of a struct or enum.
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-abi.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
awk '
    BEGIN { print "#include <convnet.h>\n#include <stddef.h>\n#include <stdio.h>\n#define M(s, m) printf(\"%s.%s %zu %zu\\n\", #s, #m, offsetof(s, m), sizeof ((s *)0)->m);\nint main(void) {" }
    { gsub(/\/\*[^*]*\*\//, "") }
    inside_comment { if (!sub(/.*\*\//, "")) next; inside_comment = 0 }
    sub(/\/\*.*/, "") { inside_comment = 1 }
    /^typedef struct cn_[a-z0-9_]* \{/ { kind = "struct"; type = $3; members = 0; next }
    /^typedef enum cn_[a-z0-9_]* \{/ { kind = "enum"; type = $3; text = ""; next }
    kind && /^}/ {
        if (kind == "struct") {
            printf "printf(\"%%s %%zu\\n\", \"%s\", sizeof(%s));\n", type, type
            for (i = 0; i < members; i++)
                printf "M(%s, %s)\n", type, member[i]
        } else {
            gsub(/=[^,]*/, "", text)
            count = split(text, names, ",")
            for (i = 1; i <= count; i++) {
                gsub(/[ \t]/, "", names[i])
                if (names[i] != "")
                    printf "printf(\"%%s %%s %%d\\n\", \"%s\", \"%s\", (int)%s);\n", type, names[i], names[i]
            }
        }
        kind = ""
    }
    kind == "enum" { text = text $0 }
    kind == "struct" {
        statement = statement $0
        if (statement !~ /;[ \t]*$/)
            next
        if (match(statement, /\(\*[a-z0-9_]*\)/))
            member[members++] = substr(statement, RSTART + 2, RLENGTH - 3)
        else {
            sub(/;[ \t]*$/, "", statement)
            gsub(/\[[^]]*\]/, "", statement)
            count = split(statement, names, ",")
            for (i = 1; i <= count; i++) {
                sub(/^.*[ *]/, "", names[i])
                member[members++] = names[i]
            }
        }
        statement = ""
    }
    END { print "return 0;\n}" }' include/convnet.h >"$dir/abi.c"
# shellcheck disable=SC2086 # a compiler may be several words
${CC:-cc} -std=c99 -Wno-deprecated-declarations -Iinclude "$dir/abi.c" -o "$dir/abi"
"$dir/abi"
