with { };
with a; assert b; with c; d
