{
  normal = [ (builtins.replaceStrings [ "a" "b" ] [ "1" "2" ] "abcab") ];
  edge = [
    (builtins.replaceStrings [ "" ] [ "-" ] "ab") (builtins.replaceStrings [ ] [ ] "ab") (builtins.replaceStrings [ "ab" "a" ] [ "1" "2" ] "aab")
    (builtins.replaceStrings [ "a" "x" ] [ "1" (throw "not computed") ] "a") (builtins.replaceStrings [ "a" ] [ "" ] "aaa") (builtins.replaceStrings [ "" "a" ] [ "-" "2" ] "a")
  ];
  fail.lengths = builtins.replaceStrings [ "a" ] [ ] "a";
  fail.from = builtins.replaceStrings [ 1 ] [ "a" ] "a";
  fail.to = builtins.replaceStrings [ "a" ] [ 1 ] "a";
  fail.string = builtins.replaceStrings [ "a" ] [ "b" ] 1;
}
