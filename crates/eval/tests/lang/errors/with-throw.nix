with throw "inside"; a
