name: throw "from ${name}"
