# Use it from csh or tcsh: `source bin/activate.csh`; `deactivate` undoes it.

alias deactivate 'test $?_OLD_VIRTUAL_PATH != 0 && setenv PATH "$_OLD_VIRTUAL_PATH" && unset _OLD_VIRTUAL_PATH; test $?_OLD_VIRTUAL_PROMPT != 0 && set prompt="$_OLD_VIRTUAL_PROMPT" && unset _OLD_VIRTUAL_PROMPT; unsetenv VIRTUAL_ENV; unsetenv VIRTUAL_ENV_PROMPT; rehash; test "\!:*" != "nondestructive" && unalias deactivate'

deactivate nondestructive

setenv VIRTUAL_ENV '@environment@'
setenv VIRTUAL_ENV_PROMPT '@prompt@'

set _OLD_VIRTUAL_PATH="$PATH"
setenv PATH "$VIRTUAL_ENV/bin:$PATH"

if (! $?VIRTUAL_ENV_DISABLE_PROMPT && $?prompt) then
    set _OLD_VIRTUAL_PROMPT="$prompt"
    set prompt="($VIRTUAL_ENV_PROMPT) $prompt"
endif

rehash
