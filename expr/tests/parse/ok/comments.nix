with { };
# first
/* second */ a /* third */ b # last
