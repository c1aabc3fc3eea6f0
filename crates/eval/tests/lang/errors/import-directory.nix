import ../data
