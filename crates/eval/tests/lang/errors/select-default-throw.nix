let s = { a.b = throw "inside"; }; in s.a.b or 1
