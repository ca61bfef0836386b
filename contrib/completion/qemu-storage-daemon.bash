# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for qemu-storage-daemon: asks the program itself for options, types and keys.

# Lines of "PROGRAM OPTION ARGUMENT", which only ask; errors are nobody's concern here.
_qsd_ask()
{
    "$1" "$2" "$3" </dev/null 2>/dev/null
}

# The options, as --help names them.
_qsd_options()
{
    "$1" --help </dev/null 2>/dev/null | grep -oE -- '^ +(-[a-zA-Z], )?--[a-z-]+' |
        grep -oE -- '--[a-z-]+' | sort -u
}

# The kinds that an option knows: words of their own, indented.
_qsd_kinds()
{
    _qsd_ask "$1" "$2" help | sed -nE 's/^  ([a-zA-Z0-9_-]+)( .*)?$/\1/p'
}

# KEY=VALUES for each key of a kind: "  read-only=on|off   text".
_qsd_keys()
{
    _qsd_ask "$1" "$2" "$3,help" | sed -nE 's/^  ([a-z0-9_.-]+=[^ ]*).*/\1/p'
}

# What may follow "KEY=" where it is an enumeration or a boolean: A|B|C.
_qsd_values()
{
    local known key=$4

    while read -r known; do
        if [[ $known == "$key="* && $known == *'|'* ]]; then
            tr '|' '\n' <<<"${known#*=}"
        fi
    done < <(_qsd_keys "$1" "$2" "$3")
}

# Candidates for the argument @3 of option @2, each a whole argument.
_qsd_arguments()
{
    local program=$1 option=$2 argument=$3 kind done_part last key
    local -a found

    kind=${argument%%,*}
    kind=${kind#*=}
    if [[ $argument != *,* && $argument != *=* ]]; then
        mapfile -t found < <(_qsd_kinds "$program" "$option")
        ((${#found[@]})) || mapfile -t found < <(_qsd_keys "$program" "$option" help |
            sed -E 's/=.*/=/')
        compgen -W "${found[*]}" -- "$argument"
        return
    fi
    done_part=
    [[ $argument == *,* ]] && done_part=${argument%,*},
    last=${argument##*,}
    key=${last%%=*}
    if [[ $last != *=* ]]; then
        mapfile -t found < <(_qsd_keys "$program" "$option" "$kind" | sed -E 's/=.*/=/')
        compgen -P "$done_part" -W "${found[*]}" -- "$last"
    elif [[ $key == *path* || $key == *filename ]]; then
        compgen -P "$done_part$key=" -f -- "${last#*=}"
    else
        mapfile -t found < <(_qsd_values "$program" "$option" "$kind" "$key")
        compgen -P "$done_part$key=" -W "${found[*]}" -- "${last#*=}"
    fi
}

_qemu_storage_daemon()
{
    local line=${COMP_LINE:0:COMP_POINT} word previous prefix
    local -a words

    read -ra words <<<"$line"
    word=
    [[ $line == *[[:space:]] ]] || word=${words[-1]}
    previous=${words[-1]}
    [[ -n $word ]] && ((${#words[@]} > 1)) && previous=${words[-2]}
    COMPREPLY=()
    case $previous in
    --pidfile | --trace | -T | -D)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    --blockdev | --chardev | --export | --log | --metrics | --monitor | --msg | --object | --run-with | --sandbox)
        mapfile -t COMPREPLY < <(_qsd_arguments "$1" "$previous" "$word")
        ;;
    *)
        mapfile -t COMPREPLY < <(compgen -W "$(_qsd_options "$1")" -- "$word")
        ;;
    esac
    # Readline replaces only what follows the last character that breaks words for it.
    if [[ $word == *[=:]* && $COMP_WORDBREAKS == *=* ]]; then
        prefix=${word%"${word##*[=:]}"}
        COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
    fi
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    [[ $previous == --* ]] && compopt -o nospace 2>/dev/null
    return 0
}

complete -F _qemu_storage_daemon qemu-storage-daemon
