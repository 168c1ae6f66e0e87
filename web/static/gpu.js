// Starts the program that ranks on WebGPU; asked for only where it is used.
import init from "../eemu-gpu.js";

await init({ module_or_path: new URL("../eemu-gpu_bg.wasm", import.meta.url) });
