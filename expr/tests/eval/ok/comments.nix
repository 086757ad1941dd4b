/* block */ [ # line
1 /* in * / line */ 2 # end
/**/ 3 /** doc */ ]
