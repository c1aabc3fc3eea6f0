let h = {a}@c:a; in h
