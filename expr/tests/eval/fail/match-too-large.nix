builtins.match "a{100000}{10}" "a"
