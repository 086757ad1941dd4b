{
  normal = [ null builtins.null (null == null) ];
  edge = [ (null == { }) (let null = 1; in null) ];
}
