builtins.match "(?i)a" "A"
