{ here = __curPos.line; column = __curPos.column; file = baseNameOf __curPos.file; }
