[
  (builtins.hashString "md5" "") (builtins.hashString "sha1" "abc") (builtins.hashString "sha256" "abc") (builtins.hashString "sha512" "abc") (builtins.hashString "md5" "é")
  (builtins.convertHash { hash = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="; toHashFormat = "base16"; })
  (builtins.convertHash { hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; hashAlgo = "sha256"; toHashFormat = "sri"; })
  (builtins.convertHash { hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; hashAlgo = "sha256"; toHashFormat = "nix32"; })
  (builtins.convertHash { hash = "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s"; toHashFormat = "base64"; })
  (builtins.convertHash { hash = "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s"; toHashFormat = "base32"; })
]
