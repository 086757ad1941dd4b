{
  normal = [ (builtins.isNull null) (isNull 1) ];
  edge = [ (isNull { }) (isNull [ null ]) ];
  fail.inner = isNull (throw "computed");
}
