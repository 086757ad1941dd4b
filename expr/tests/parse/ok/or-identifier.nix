with { };
{ or = 1; a = x.or or 2; }
