# patterns with groups on short texts, and a split of a long one
let
  texts = builtins.genList (n: "pkg-name${toString n}-1.${toString (n / 7)}.${toString (n / 3)}-rc${toString n}.tar.gz") 20000;
  parse = builtins.match "([a-z]+(-[a-z0-9]+)*)-([0-9]+(\\.[0-9]+)*)(-rc([0-9]+))?\\.tar\\.(gz|xz|bz2)";
  versions = map (t: builtins.elemAt (parse t) 2) texts;
  words = builtins.filter builtins.isString (builtins.split "[[:space:],;]+" (builtins.concatStringsSep ", " texts));
in
[ (builtins.length words) (builtins.foldl' (a: v: a + builtins.stringLength v) 0 versions) (builtins.length (builtins.filter (t: builtins.match ".*9.*" t != null) texts)) ]
