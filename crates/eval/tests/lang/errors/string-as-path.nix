"a" + ./no-such-file-here
