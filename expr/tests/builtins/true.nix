{
  normal = [ true builtins.true (!true) ];
  edge = [ (let true = 1; in true) (true == 1) ];
}
