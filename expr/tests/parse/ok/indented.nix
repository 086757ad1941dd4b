with { };
[ ''
    a
  ${b}
      c
  '' ''  one'' ''
  '' ''
	tab
  '' ''a''\nb''${c}'''d'' ]
