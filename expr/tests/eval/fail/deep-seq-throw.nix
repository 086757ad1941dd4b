builtins.deepSeq { a = [ (throw "inside") ]; } 2
