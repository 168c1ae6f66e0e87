// Starts the page's program; once it runs, asks for the service worker, so
// that the next visit needs no network.
const say = (sentence) => {
  const heading = document.querySelector("#app h1");
  const below = document.querySelector("#app main p");
  if (heading && below) {
    heading.textContent = "This browser cannot open eemu.";
    below.textContent = sentence;
  }
};

if (typeof WebAssembly !== "object") {
  say("It computes in WebAssembly, which is missing here or switched off. Any browser since 2023 has it; a strict security mode may switch it off.");
} else {
  try {
    const { default: init } = await import("../eemu-page.js");
    await init({ module_or_path: new URL("../eemu-page_bg.wasm", import.meta.url) });
    if ("serviceWorker" in navigator) {
      navigator.serviceWorker.register("./sw.js").catch(() => {
        // Without it everything works but the offline visit.
      });
    }
  } catch (why) {
    say(`Its program did not start (${why}). Reload the page; an older browser may lack what it needs.`);
    throw why;
  }
}
