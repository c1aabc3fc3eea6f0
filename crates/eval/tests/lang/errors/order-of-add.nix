null + (throw "right")
