import /nonexistent.nix
