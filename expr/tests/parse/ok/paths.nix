with { };
[ /a/b /a/./b/../c <f> <f/g> /a/${b}/c /a+b.c /. ]
