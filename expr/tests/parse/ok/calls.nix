with { };
f (g x) [ y ] { z = 1; } "s" /p 1
