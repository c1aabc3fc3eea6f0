missing > absent
