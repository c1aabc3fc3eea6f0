let name = "file"; n = "1"; in map toString [ /a/${name} /a/${name}.txt /a/b-${n}-${name}/c /${name}${n} ]
