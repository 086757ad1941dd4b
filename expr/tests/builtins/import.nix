{
  normal = [ (import ./files/seven.nix) (import ./files) (import (toString ./files/seven.nix)) (builtins.import ./files/seven.nix) ];
  edge = [ (import { outPath = toString ./files/seven.nix; }) (import ./files/../files/seven.nix) (builtins.isFunction import) ];
  fail.missing = import ./files/nothing.nix;
  fail.number = import 1;
  fail.relative = import "files";
  fail.syntax = import ./files/text;
}
