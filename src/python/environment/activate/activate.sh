# Use it from a shell: `. bin/activate`; `deactivate` undoes it.

deactivate () {
    if [ -n "${_OLD_VIRTUAL_PATH+set}" ] ; then
        PATH="$_OLD_VIRTUAL_PATH"
        export PATH
        unset _OLD_VIRTUAL_PATH
    fi
    if [ -n "${_OLD_VIRTUAL_PYTHONHOME+set}" ] ; then
        PYTHONHOME="$_OLD_VIRTUAL_PYTHONHOME"
        export PYTHONHOME
        unset _OLD_VIRTUAL_PYTHONHOME
    fi
    if [ -n "${_OLD_VIRTUAL_PS1+set}" ] ; then
        PS1="$_OLD_VIRTUAL_PS1"
        export PS1
        unset _OLD_VIRTUAL_PS1
    fi
    hash -r 2> /dev/null
    unset VIRTUAL_ENV VIRTUAL_ENV_PROMPT
    if [ "${1-}" != nondestructive ] ; then
        unset -f deactivate
    fi
}

deactivate nondestructive

VIRTUAL_ENV='@environment@'
VIRTUAL_ENV_PROMPT='@prompt@'
export VIRTUAL_ENV VIRTUAL_ENV_PROMPT

_OLD_VIRTUAL_PATH="$PATH"
PATH="$VIRTUAL_ENV/bin:$PATH"
export PATH

if [ -n "${PYTHONHOME+set}" ] ; then
    _OLD_VIRTUAL_PYTHONHOME="$PYTHONHOME"
    unset PYTHONHOME
fi

if [ -z "${VIRTUAL_ENV_DISABLE_PROMPT-}" ] && [ -n "${PS1+set}" ] ; then
    _OLD_VIRTUAL_PS1="$PS1"
    PS1="($VIRTUAL_ENV_PROMPT) $PS1"
    export PS1
fi

hash -r 2> /dev/null
