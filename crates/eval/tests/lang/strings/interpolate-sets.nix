[ "${{ outPath = "x"; }}" "${{ __toString = self: "<${self.a}>"; a = "y"; }}" "${{ __toString = _: "s"; outPath = "o"; }}" ]
