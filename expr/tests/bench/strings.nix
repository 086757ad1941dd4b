# strings built, cut, joined and replaced
let
  words = builtins.genList (n: "word-${toString n}-${builtins.substring 0 3 (toString (n * 7919))}") 100000;
  text = builtins.concatStringsSep " " words;
  grown = builtins.foldl' (a: n: a + builtins.elemAt words n + "\n") "" (builtins.genList (n: n) 10000);
  replaced = builtins.replaceStrings [ "word" "-" "1" ] [ "w" "_" "one" ] text;
in
[
  (builtins.stringLength text)
  (builtins.stringLength grown)
  (builtins.stringLength replaced)
  (builtins.hashString "sha256" replaced)
  (builtins.foldl' (a: w: a + builtins.stringLength w) 0 words)
]
