[ http://example.org/a?b=c&d=e%20f mailto:someone@example.org x:y git+ssh://host/path.git channel:nixos-unstable (x: x).a or 1 ]
