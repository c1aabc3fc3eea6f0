(x: y: z: with x; a + y + z) { a = 1; } 2 3
