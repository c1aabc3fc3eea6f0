package main

import (
	"fmt"
	"hash/crc32"
	"runtime"
)

func main() {
	fmt.Printf("%s %08x\n", runtime.GOARCH, crc32.ChecksumIEEE([]byte("abc")))
}
