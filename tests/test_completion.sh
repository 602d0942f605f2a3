#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_completion.sh: what bash offers behind each program's name: every option of --help, the names that options take,
# files where they take files; and that zsh, where it is installed, reads its own. Started from the root of the
# repository after `make`.
set -u
export LC_ALL=C
completions=${COMPLETIONS:-build/release/completions} bin=${PROGRAMS:-examples/bin}
checks=0 failures=0

# offers WANTED WORD...: behind these words of a command, of which the last is being typed.
offers() {
    local wanted=$1
    shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    "_${1//-/_}"
    checks=$((checks + 1))
    [[ "${COMPREPLY[*]}" == "$wanted" ]] && return
    failures=$((failures + 1))
    printf 'FAIL %s\n     wanted %s\n     got    %s\n' "$*" "$wanted" "${COMPREPLY[*]}"
}

compopt() { :; } # which only a shell that completes has

for source in examples/programs/*.c; do
    program=convnet-$(basename "$source" .c)
    # shellcheck disable=SC1090 # which ones there are is not known here
    source "$completions/$program" || failures=$((failures + 1))
    while read -r option; do
        COMP_WORDS=("$program" "$option") COMP_CWORD=1
        "_${program//-/_}"
        checks=$((checks + 1))
        [[ " ${COMPREPLY[*]} " == *" $option "* ]] || { failures=$((failures + 1)); echo "FAIL $program: $option is not offered"; }
        grep -qe "[ {',]$option[]'=[,}]" "$completions/_$program" || { failures=$((failures + 1)); echo "FAIL _$program: $option"; }
    done < <("$bin/$program" --help | sed -n -e 's/^  \(-[a-zA-Z], \)\{0,1\}\(--[a-z0-9-]*\).*/\2/p' -e 's/^  \(-[a-zA-Z]\), .*/\1/p')
    if command -v zsh >/dev/null; then
        checks=$((checks + 1))
        zsh -n "$completions/_$program" || failures=$((failures + 1))
    fi
done

offers "--optimizer" convnet-train --opt
offers "adam adamw" convnet-train --optimizer a
offers "adam adamw" convnet-train --optimizer = a
offers "sgd adam adamw muon" convnet-train --optimizer =
offers "resnet18 resnet34 resnet50 resnet20 resnet32 resnet56" convnet-train --model resnet
offers "folder:" convnet-train --data fo
offers "weights/session8-cifar10.md" convnet-train --data folder : weights/session8-cifar10.m
offers "" convnet-export --name w
offers "weights/session8-cifar10.safetensors" convnet-train --out weights/session8-cifar10.s
offers "" convnet-train --epochs w
offers "weights" convnet-summary weight

echo "completion: $checks checks, $failures failures"
[[ $failures -eq 0 ]]
