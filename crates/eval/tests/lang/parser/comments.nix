# line comment
/* block */ 1 /* ** */ + /**/ 2 # trailing
/* multi
   line */
+ 3 /***/
