// Runs one golden case for each message, in a worker, as the app does.
import init, { run_case } from "./eemu_cases.js";

await init({ module_or_path: new URL("./eemu_cases_bg.wasm", import.meta.url) });
self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ result: await run_case(data.text, data.gpu) });
  } catch (error) {
    self.postMessage({ error: String(error) });
  }
};
self.postMessage({ ready: true });
