{
  normal = [
    (builtins.convertHash { hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; toHashFormat = "base16"; })
    (builtins.convertHash { hash = "d41d8cd98f00b204e9800998ecf8427e"; hashAlgo = "md5"; toHashFormat = "sri"; })
    (builtins.convertHash { hash = "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709"; toHashFormat = "nix32"; })
  ];
  edge = [
    (builtins.convertHash { hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; hashAlgo = "sha256"; toHashFormat = "base64"; })
    (builtins.convertHash { hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; toHashFormat = "sri"; more = throw "ignored"; })
  ];
  fail.format = builtins.convertHash { hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; toHashFormat = "base7"; };
  fail.algorithm = builtins.convertHash { hash = "d41d8cd98f00b204e9800998ecf8427e"; toHashFormat = "sri"; };
  fail.length = builtins.convertHash { hash = "d41d"; hashAlgo = "md5"; toHashFormat = "sri"; };
  fail.missing = builtins.convertHash { toHashFormat = "sri"; };
}
