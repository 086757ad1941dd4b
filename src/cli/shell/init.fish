# `clutch shell` has fish run this after its configuration.
set -gx PATH (string split : -- $CLUTCH_SHELL_PATH) $PATH
set -e (string split ' ' -- $CLUTCH_SHELL_UNSET) CLUTCH_SHELL_PATH CLUTCH_SHELL_UNSET
functions -q fish_prompt; and functions -c fish_prompt clutch_own_prompt
function fish_prompt
    echo -n "($CLUTCH_SHELL) "
    functions -q clutch_own_prompt; and clutch_own_prompt; or echo -n '> '
end
