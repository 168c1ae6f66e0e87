// Starts the page's program; once it runs, asks for the service worker, so
// that the next visit needs no network.
// What is said before the program can say anything; the rest is in app/locales.
const words = {
  en: {
    cannot: "This browser cannot open eemu.",
    missing: "It computes in WebAssembly, which is missing here or switched off. Any browser since 2023 has it; a strict security mode may switch it off.",
    failed: (why) => `Its program did not start (${why}). Reload the page; an older browser may lack what it needs.`,
  },
  de: {
    opens: "eemu wird geöffnet …",
    about: "Exaktes Vergessen, zum Ansehen. Es braucht JavaScript und WebAssembly und rechnet auf diesem Gerät.",
    cannot: "Dieser Browser kann eemu nicht öffnen.",
    missing: "Es rechnet in WebAssembly, das hier fehlt oder ausgeschaltet ist. Jeder Browser seit 2023 hat es; ein strenger Sicherheitsmodus kann es ausschalten.",
    failed: (why) => `Das Programm ist nicht gestartet (${why}). Laden Sie die Seite neu; einem älteren Browser fehlt vielleicht etwas.`,
  },
  fr: {
    opens: "eemu s’ouvre…",
    about: "L’oubli exact, pour le voir. Il lui faut JavaScript et WebAssembly, et il calcule sur cet appareil.",
    cannot: "Ce navigateur ne peut pas ouvrir eemu.",
    missing: "Il calcule en WebAssembly, qui manque ici ou est désactivé. Tout navigateur depuis 2023 l’a ; un mode de sécurité strict peut le désactiver.",
    failed: (why) => `Son programme n’a pas démarré (${why}). Rechargez la page ; il manque peut-être quelque chose à un navigateur plus ancien.`,
  },
  es: {
    opens: "eemu se abre…",
    about: "Olvido exacto, para verlo. Necesita JavaScript y WebAssembly, y calcula en este equipo.",
    cannot: "Este navegador no puede abrir eemu.",
    missing: "Calcula en WebAssembly, que aquí falta o está desactivado. Lo tiene todo navegador desde 2023; un modo de seguridad estricto puede desactivarlo.",
    failed: (why) => `Su programa no se inició (${why}). Recargue la página; a un navegador antiguo le puede faltar algo.`,
  },
};

const kept = () => {
  try {
    return localStorage.getItem("eemu-language");
  } catch {
    return null;
  }
};
const asked = [...`${location.hash}&${location.search}`.matchAll(/[?&#]lang=(\w\w)(?!\w)/g)].map((found) => found[1]);
const wished = [...asked, kept(), ...(navigator.languages ?? [])].map((tag) => (tag ?? "").split("-")[0]);
const language = wished.find((code) => code in words) ?? "en";
document.documentElement.lang = language;
const own = words[language];
const heading = document.querySelector("#app h1");
const below = document.querySelector("#app main p");
if (own.opens && heading && below) {
  heading.textContent = own.opens;
  below.textContent = own.about;
}

const say = (sentence) => {
  if (heading && below) {
    heading.textContent = own.cannot;
    below.textContent = sentence;
  }
};

if (typeof WebAssembly !== "object") {
  say(own.missing);
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
    say(own.failed(why));
    throw why;
  }
}
