{
  normal = [ (builtins.getEnv "LANGUAGE_CASE") ];
  edge = [ (builtins.getEnv "NO_SUCH_VARIABLE") (builtins.getEnv "") ];
  fail.number = builtins.getEnv 1;
}
