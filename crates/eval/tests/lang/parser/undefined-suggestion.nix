let colour = 1; in color
