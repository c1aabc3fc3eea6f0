{ enabled = 1; enable = 2; }.enabel
