// Starts the program that computes, off the page's thread.
import init from "../eemu-worker.js";

await init({ module_or_path: new URL("../eemu-worker_bg.wasm", import.meta.url) });
