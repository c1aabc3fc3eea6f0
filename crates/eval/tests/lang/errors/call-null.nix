null { }
