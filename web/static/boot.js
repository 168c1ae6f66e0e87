// Starts the page's program; once it runs, asks for the service worker, so
// that the next visit needs no network.
import init from "../eemu-page.js";

await init({ module_or_path: new URL("../eemu-page_bg.wasm", import.meta.url) });
if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register("./sw.js").catch(() => {
    // Without it everything works but the offline visit.
  });
}
