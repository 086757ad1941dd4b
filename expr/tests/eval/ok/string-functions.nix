[
  (builtins.stringLength "abc") (builtins.stringLength "é") (builtins.stringLength "") (builtins.substring 1 2 "abcd") (builtins.substring 0 100 "abc")
  (builtins.substring 2 (-1) "abcd") (builtins.substring 10 1 "abc") (builtins.substring 3 1 "abc") (builtins.substring 0 0 "abc") (builtins.substring 0 1 "x")
  (builtins.substring 0 2 { outPath = "/abc"; }) (builtins.substring 0 9223372036854775807 "abc")
  (builtins.concatStringsSep ", " [ "a" "b" "c" ]) (builtins.concatStringsSep "" [ ]) (builtins.concatStringsSep "-" [ "x" ]) (builtins.concatStringsSep "," [ { outPath = "o"; } "p" ])
  (builtins.replaceStrings [ "a" "b" ] [ "1" "2" ] "abcab") (builtins.replaceStrings [ "aa" "a" ] [ "2" "1" ] "aaa") (builtins.replaceStrings [ "a" "aa" ] [ "1" "2" ] "aaa")
  (builtins.replaceStrings [ "" ] [ "X" ] "abc") (builtins.replaceStrings [ "" "a" ] [ "X" "Y" ] "abc") (builtins.replaceStrings [ "a" "" ] [ "Y" "X" ] "abc") (builtins.replaceStrings [ ] [ ] "abc") (builtins.replaceStrings [ "x" ] [ (throw "lazy") ] "abc")
  (builtins.replaceStrings [ "a" ] [ "" ] "banana") (builtins.replaceStrings [ "\n" ] [ "\\n" ] "a\nb") (builtins.replaceStrings [ "" ] [ "-" ] "") (builtins.replaceStrings [ "ab" ] [ "x" ] "ababa")
  (builtins.isString "") (builtins.isString 1) (baseNameOf "a/b/c") (baseNameOf "a/b/") (baseNameOf "/") (baseNameOf "") (baseNameOf "x") (baseNameOf /a/b) (baseNameOf "a//") (baseNameOf "a/b//")
  (dirOf "a/b/c") (dirOf "a") (dirOf "/a") (dirOf "/") (dirOf "") (dirOf "a/b/") (dirOf "a//b") (dirOf /a/b) (dirOf /a) (builtins.baseNameOf "/a/b.c") (builtins.dirOf "//a")
]
