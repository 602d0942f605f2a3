# SPDX-License-Identifier: MIT
# completion.awk: what a shell may offer behind a program's name, out of what the program prints for --help:
#
#   convnet-train --help | awk -v shell=bash -f help.awk -f completion.awk
#
# Behind an option it offers the names that its help lists, the beginnings of DATA, or files.

END {
    for (i = 1; i <= options; i++)
        read_value(i)
    if (shell == "bash")
        write_bash()
    else
        write_zsh()
}

# What follows an option: `long` and `short`, the value's word, `names` that it may be, and whether files may follow.
function read_value(i, words, count, text) {
    count = split(option[i], words, /,? /)
    short[i] = words[1] ~ /^-[^-]/ ? words[1] : ""
    long[i] = words[short[i] == "" ? 1 : 2]
    value[i] = words[count] ~ /^-/ ? "" : words[count]
    text = option_help[i]
    sub(/ *\[[^\[]*\]$/, "", text)
    if (value[i] == "NAME")
        names[i] = listed(text)
    else if (value[i] == "DATA")
        names[i] = beginnings(text)
    else if (value[i] == "MODEL")
        names[i] = models(text)
    files[i] = value[i] ~ /^(FILE|DIR|DATA|MODEL|OUT)/
    told[i] = text
    if (value[i] ~ /^(NAME|DATA|MODEL)$/)
        sub(/:.*/, "", told[i])
    sub(/[;(].*/, "", told[i])
    gsub(/^ +| +$/, "", told[i])
}

# "…: sgd, adam or muon".
function listed(text) {
    if (!sub(/.*: /, "", text) || text !~ /^[a-z0-9_-]+(, [a-z0-9_-]+)*( or [a-z0-9_-]+)?$/)
        return ""
    gsub(/,| or/, "", text)
    return text
}

# "cifar10:DIR or … synthetic[:COUNT]": what stands before the colons, with them.
function beginnings(text, result) {
    while (match(text, /[a-z0-9]+\[?:[A-Z\[]/)) {
        result = result (result == "" ? "" : " ") substr(text, RSTART, RLENGTH - 1)
        text = substr(text, RSTART + RLENGTH)
    }
    sub(/\[:/, "", result)
    return result
}

# Names of prebuilt networks, there and in what the program says of the literature.
function models(text, all) {
    all = about
    gsub(/\n/, " ", all)
    if (sub(/.*network of the literature: /, "", all)) {
        sub(/\..*/, "", all)
        gsub(/,| or/, "", all)
    } else
        all = ""
    sub(/,? (a network|or a model).*/, "", text)
    text = listed(text)
    return text (text == "" || all == "" ? "" : " ") all
}

# ---- bash ----

function write_bash(i, name, paths, others) {
    name = program
    gsub(/-/, "_", name)
    print "# bash completion for " program
    print "_" name "() {"
    print "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} names='' files=''"
    print "    # bash takes --name=VALUE and folder:DIR apart."
    print "    if [[ $word == = ]]; then"
    print "        word=''"
    print "    elif [[ $before == = ]]; then"
    print "        before=${COMP_WORDS[COMP_CWORD - 2]}"
    print "    elif [[ $word == : ]]; then"
    print "        word='' before=:"
    print "    fi"
    print "    case $before in"
    for (i = 1; i <= options; i++)
        if (names[i] != "")
            print "    " long[i] ") names='" names[i] "' files=" (files[i] ? "1" : "") " ;;"
        else if (files[i])
            paths = paths (paths == "" ? "" : " | ") long[i]
        else if (value[i] != "")
            others = others (others == "" ? "" : " | ") long[i]
    if (paths != "")
        print "    " paths ") files=1 ;;"
    if (others != "")
        print "    " others ") ;;"
    print "    *) [[ $word == -* ]] && names='" all_options() "' || files=1 ;;"
    print "    esac"
    print "    mapfile -t COMPREPLY < <(compgen -W \"$names\" -- \"$word\"; [[ -z $files ]] || compgen -f -- \"$word\")"
    print "    [[ -z $files ]] || compopt -o filenames 2>/dev/null"
    print "    [[ ${COMPREPLY[0]-} != *: ]] || compopt -o nospace 2>/dev/null"
    print "} &&"
    print "    complete -F _" name " " program
}

function all_options(i, result) {
    for (i = 1; i <= options; i++)
        result = result (i > 1 ? " " : "") long[i] (short[i] == "" ? "" : " " short[i])
    return result
}

# ---- zsh ----

function write_zsh(i) {
    print "#compdef " program
    print "_arguments \\"
    for (i = 1; i <= options; i++) {
        if (short[i] != "")
            print "    '(" short[i] " " long[i] ")'{" short[i] "," long[i] "}'[" quoted(told[i]) "]' \\"
        else if (value[i] == "")
            print "    '" long[i] "[" quoted(told[i]) "]' \\"
        else
            print "    '" long[i] "=[" quoted(told[i]) "]:" value[i] ":" action(i) "' \\"
    }
    print "    '*:file:_files'"
}

function action(i, list) {
    if (names[i] == "")
        return files[i] ? "_files" : " "
    list = names[i]
    gsub(/:/, "\\:", list)
    return files[i] ? "{ compadd -S \"\" -- " names[i] "; _files }" : "(" list ")"
}

function quoted(text) {
    gsub(/[\[\]]/, "\\\\&", text)
    gsub(/:/, "\\:", text)
    gsub(/'/, "'\\''", text)
    return text
}
