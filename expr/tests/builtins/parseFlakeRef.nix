{
  normal = [ (builtins.parseFlakeRef "github:o/r/b?dir=sub") (builtins.parseFlakeRef "path:/x") ];
  edge = map builtins.parseFlakeRef [
    "gitlab:a%2Fb/c" "gitlab:a%2fb/c?host=h.x" "flake:a/b%2Fc" "github:a!/b$?dir=[x]" "path:/a//b" "path:" "//a/b" "/a%20b"
    "hg+https://h/r?rev=x&ref=y&z=1" "git+ssh://h/r%2Fx" "https://%41b:080/a!b.tar.gz?a!=b$" "git+file:/a/b"
  ] ++ [ (builtins.parseFlakeRef "nixpkgs") (builtins.parseFlakeRef "git+https://example.org/x?ref=b") ];
  fail.empty = builtins.parseFlakeRef "";
  fail.scheme = builtins.parseFlakeRef "nothing:x/y";
  fail.blank = builtins.parseFlakeRef "github:a b/c";
  fail.percent = builtins.parseFlakeRef "https://h/%zz";
  fail.id = builtins.parseFlakeRef "flake:a%2Fb";
  fail.host = builtins.parseFlakeRef "github:a/b?host=h_x";
  fail.file = builtins.parseFlakeRef "git+file://h/a";
  fail.name = builtins.parseFlakeRef "path:/a%2Fb";
  fail.ref = builtins.parseFlakeRef "git+https://h/r?ref=x..y";
  fail.port = builtins.parseFlakeRef "https://h:99999/a.tar.gz";
  fail.scp = builtins.parseFlakeRef "git:h/r";
  fail.signed = builtins.parseFlakeRef "git+https://h/r?verifyCommit=1";
  fail.number = builtins.parseFlakeRef 1;
}
