let myFunction = { x }: throw "in ${x}"; in myFunction { x = "here"; }
