# No Python: a shell script that uses another one, and a page about it in an output of its own.
#
#   clutch run examples/hello                  greets the world
#   clutch run examples/hello -- hello you     greets you
#   clutch build examples/hello -A doc         makes the page only
let
  clutch = import <clutch>;

  # A dependency: it is in the closure of `hello`, whose script names it.
  shout = clutch.derivation {
    name = "shout";
    script = ''
      mkdir -p $out/bin
      cat > $out/bin/shout <<END
      #!${clutch.shell}/bin/sh
      printf '%s!\n' "\$*" | ${clutch.shell}/bin/tr a-z A-Z
      END
      chmod +x $out/bin/shout
    '';
    meta.mainProgram = "shout";
  };
in
clutch.derivation {
  name = "hello";
  outputs = [ "out" "doc" ];
  inputs = [ shout ];
  default = "world";

  script = ''
    mkdir -p $out/bin $doc
    cat > $out/bin/hello <<END
    #!${clutch.shell}/bin/sh
    exec ${shout}/bin/shout hello, "\''${1:-$default}"
    END
    chmod +x $out/bin/hello

    {
      echo "# hello"
      echo
      echo "Without an argument it says: $(shout "hello, $default")"
    } > $doc/hello.md
  '';

  meta.mainProgram = "hello";
}
