// Starts a program for WASI, preview 1, which sees the working directory.
const { readFileSync } = require("node:fs");
const { WASI } = require("node:wasi");

const [program, ...rest] = process.argv.slice(2);
if (program === undefined) {
  console.error("usage: wasi-run PROGRAM [ARGUMENT...]");
  process.exit(2);
}
const wasi = new WASI({ args: [program, ...rest], env: process.env, preopens: { ".": "." } });
WebAssembly.compile(readFileSync(program))
  .then((module) => WebAssembly.instantiate(module, { wasi_snapshot_preview1: wasi.wasiImport }))
  .then((instance) => wasi.start(instance))
  .catch((error) => {
    console.error(`wasi-run: ${program}: ${error.message}`);
    process.exit(1);
  });
