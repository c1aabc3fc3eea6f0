<surely-missing/x>
