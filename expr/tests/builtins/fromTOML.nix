{
  normal = [ (builtins.fromTOML "a = 1\nb = \"x\"\n[c.d]\ne = [ 1, 2 ]\n[[f]]\ng = true\n[[f]]\ng = 1.5\n") (fromTOML "x.y = 'z'") ];
  edge = [ (builtins.fromTOML "") (builtins.fromTOML "# only this") (builtins.fromTOML "a = 0xff\nb = 1_000\nc = '''\nx'''\n\"\" = 1") (builtins.fromTOML "a = { b.c = 1 }") ];
  fail.syntax = builtins.fromTOML "a";
  fail.duplicate = builtins.fromTOML "a = 1\na = 2";
  fail.table = builtins.fromTOML "[a]\n[a]";
  fail.number = builtins.fromTOML 1;
  fail.large = builtins.fromTOML "a = 9223372036854775808";
}
