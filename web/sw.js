// The app works without a network after the first visit. The build fills in
// the list of files and a version that changes with any of them; without it
// (during development) nothing is kept.
const FILES = [/*FILES*/];
// What only some browsers use: kept once it was asked for.
const LATER = [/*LATER*/];
const CACHE = `eemu-/*VERSION*/ ${new URL("./", self.location.href).pathname}`;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(CACHE);
      await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const names = await caches.keys();
      // Another app of this host keeps its own, below its own path.
      const place = CACHE.slice(CACHE.indexOf(" "));
      const old = (name) => name.startsWith("eemu-") && name !== CACHE && (name.endsWith(place) || !name.includes(" "));
      await Promise.all(names.filter(old).map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (FILES.length === 0 || event.request.method !== "GET" || url.origin !== self.location.origin) {
    return;
  }
  event.respondWith(
    (async () => {
      const cache = await caches.open(CACHE);
      const asked = url.pathname.endsWith("/") ? new URL("index.html", url).href : event.request;
      const kept = await cache.match(asked, { ignoreSearch: true });
      if (kept !== undefined) {
        return kept;
      }
      const fresh = await fetch(event.request);
      if (fresh.ok && LATER.some((file) => new URL(file, self.location.href).pathname === url.pathname)) {
        // Without room it is asked for again.
        await cache.put(event.request, fresh.clone()).catch(() => {});
      }
      return fresh;
    })(),
  );
});
