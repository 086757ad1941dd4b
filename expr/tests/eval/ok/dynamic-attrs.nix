let a = "x"; b = { x = 1; }; in [ b.${a} b."${a}" (b ? ${a}) (b.${"no"} or 2) { "${a}b".c = 1; } ({ ${a}.y = 1; }) { ${if true then "k" else null} = 1; ${if false then "l" else null} = 2; } ]
