y-a-demonstration-anybody = Eine Demo: Jeder kann sich als einer dieser Haushalte anmelden.
y-a-recommender-that-forge = Empfehlungen mit exaktem Vergessen.
y-a-signed-statement-it = Eine unterschriebene Aussage; sie sagt nicht, was entfernt wurde. Der Beweis ist{" "}
y-about-to-be-forgotten = Wird gleich vergessen
y-adapts-all = Alle { $n } { $what ->
    [picks] Stücke Ihrer Auswahl
   *[records] Ihrer Datensätze
 } passen { $shards ->
    [one] es
   *[other] sie
 } an, hier.
y-adapts-drawn = { $n ->
    [0] Keiner Ihrer Käufe passt sie an.
    [one] Einer Ihrer Käufe passt sie alle an, hier.
   *[other] { $word } Ihrer Käufe passen sie alle an, hier.
 }
y-adapts-none = Nichts von { $what ->
    [picks] Ihrer Auswahl
   *[records] Ihren Datensätzen
 } passt { $shards ->
    [one] es
   *[other] sie
 } an.
y-adapts-one = Ein Stück { $what ->
    [picks] Ihrer Auswahl
   *[records] Ihres Verlaufs
 } passt { $shards ->
    [one] es
   *[other] sie
 } an, hier.
y-adapts-some = { $n } { $what ->
    [picks] Stücke Ihrer Auswahl
   *[records] Ihrer Datensätze
 } passen { $shards ->
    [one] es
   *[other] sie
 } an, hier.
y-add = Hinzufügen:
y-add-something = Etwas hinzufügen
y-after-forgetting-compute = nach dem Vergessen, hier berechnet in { $millis } ms
y-all = alles
y-all-count-alike-what = Alle zählen gleich: Was wann kam, spielt keine Rolle.
y-all-in-shard-a = Alles in Shard { $shard }: Die Datensätze einer Person bleiben zusammen.
y-all-models-that-may = Alle Modelle, die antworten dürfen, werden gerade neu trainiert. Bis dahin sehen Sie die beliebtesten Artikel.
y-already-left-out-of = Schon aus Ihrer Liste ausgelassen; { $shard } wird neu trainiert, Epoche { $epoch } von { $epochs }
y-already-left-out-of-2 = Schon aus Ihrer Liste ausgelassen
y-and-arrows-act-on = {" "}und Pfeile wirken auf die Scheibe, wenn sie den Fokus hat,{" "}
y-anybody-can-run = Jeder kann{" "}
y-as = { $wrote } als { $name } ({ $sure } %)
y-as-computed-once-nativel = einmal berechnet, ohne Browser
y-asked = verlangt
y-asking-the-server = Der Server wird gefragt …
y-bad-lines = { $n ->
    [one] { $n } Zeile wurde ausgelassen, weil sie nicht lesbar ist
   *[other] { $n } Zeilen wurden ausgelassen, weil sie nicht lesbar sind
 }
y-bar-chance = Wahrscheinlichkeit { $share } %
y-bar-weight = Gewicht { $share } %
y-can-be-read-in = „{ $wrote }“ lässt sich auf zwei Arten lesen, und keine Zeile entscheidet. Was stimmt?
y-cancel = Abbrechen
y-check-again = Noch einmal prüfen
y-checked-again-just-now = Eben noch einmal geprüft, gegen das, was der Dienst heute veröffentlicht.
y-checked-here = Hier geprüft
y-checked-in-part = Zum Teil geprüft
y-choose = { $name } auswählen
y-choose-several = Mehrere wählen
y-close = Schließen
y-computed-in-this-browser = Eben in diesem Browser berechnet. Ein Dienst unterschreibt für jede Löschung einen Beleg, und{" "}
y-cost-one-shard = { $n ->
    [one] Er liegt in Shard { $letter }. { $letter } wird sofort ausgelassen und von Grund auf neu trainiert; die anderen bleiben.
   *[other] Sie liegen in Shard { $letter }. { $letter } wird sofort ausgelassen und von Grund auf neu trainiert; die anderen bleiben.
 }
y-csv-tabs-json-or = CSV, Tabulatoren, JSON oder JSON Lines, oder ein Zip davon, wie Netflix, Goodreads, Letterboxd, Last.fm oder Spotify sie exportieren.
y-day-or-month-first = Tag oder Monat zuerst?
y-delete = Entf
y-delete-account-ask = Das Konto löschen?
y-delete-the-account = Das Konto löschen
y-delete-the-account-2 = Das Konto löschen …
y-device = Gerät:
y-does-not-hold = Gilt nicht
y-does-not-hold-2 = {" "}gilt nicht
y-download-again = Noch einmal laden
y-download-all-that-is = Alles herunterladen, was über mich aufbewahrt ist
y-draw-again = Noch einmal ziehen
y-drawn = { $n } nach Gl. 7 gezogen. Balken: Wahrscheinlichkeit beim nächsten Ziehen. Strich: wenn alle gleich wären.
y-drawn-even = Bei dieser Temperatur zieht Gl. 7 fast gleichmäßig.
y-drawn-faded = { $n } nach Gl. 7 gezogen, ältere verblassen. Balken: Wahrscheinlichkeit beim nächsten Ziehen. Strich: wenn alle gleich wären.
y-eight-models-are-trained = Hier werden acht Modelle trainiert, eines noch einmal ohne den Kauf, und daneben eine Zwillingswelt, die ihn nie hatte.
y-emptied-this-browser-kee = Geleert. Dieser Browser behält jetzt nichts mehr.
y-empty-it = Leeren …
y-empty-it-2 = Leeren
y-empty-what-this-browser = Leeren, was dieser Browser behält?
y-entry = Eintrag { $number }
y-esc = Esc
y-example = Beispiel
y-fate-some = in { $some } von { $all } Shards. { $first } werden sofort ausgelassen und von Grund auf neu trainiert; die anderen bleiben.
y-fetching = Wird geladen: { $now } %.
y-fetching-models = Modelle werden geladen
y-fetching-the-models = Die Modelle werden geladen, { $size }.
y-file-read = { $n ->
    [one] Die Datei ist gelesen: { $n } Artikel daraus steht in diesem Katalog.
   *[other] Die Datei ist gelesen: { $n } Artikel daraus stehen in diesem Katalog.
 }
y-find-a-product = Ein Produkt suchen
y-find-a-purchase = Einen Kauf suchen
y-forget = { $count } vergessen …
y-forget-2 = Vergessen
y-forget-3 = { $what } vergessen?
y-forget-4 = { $what } vergessen? { $cost }
y-forget-all-ask = Alles vergessen?
y-forget-everything = Alles vergessen
y-forget-everything-2 = Alles vergessen …
y-forget-now = Jetzt vergessen
y-forget-something-and-its = Lassen Sie etwas vergessen, und sein Beleg wird hier geprüft: Unterschrift, Platz im Protokoll, ob er Ihre Anfrage beantwortet, Ihr Download, die anderen Shards.
y-forgetting = „{ $name }“ wird vergessen
y-forgetting-here = „{ $name }“ wird vergessen, hier.
y-forgotten = { $n ->
    [0] Vergessen. Kein Modell neu gebaut, { $still } unberührt.
    [one] Vergessen. { $again } Modell neu gebaut, { $still } unberührt.
   *[other] Vergessen. { $again } Modelle neu gebaut, { $still } unberührt.
 }
y-forgotten-2 = Vergessen
y-forgotten-and-proved-in = Vergessen und bewiesen, in diesem Browser.
y-forgotten-of-models-are = Vergessen. { $equal } von { $twin } Modellen stimmen genau mit denen überein, die es nie kannten.
y-forgotten-the-model-is = Vergessen. Das Modell ist neu gebaut.
y-forgotten-the-receipt-wa = Vergessen. Der Beleg wurde geprüft.
y-guessed = { $n ->
    [one] { $n } Name wurde geraten
   *[other] { $n } Namen wurden geraten
 }
y-half-the-download-rounde = Halber Download, gerundet: Die Werte ändern sich etwas
y-how-much-of-what = Wie viel von dem zählt, was Sie taten
y-in-all-shards-all = in allen { $all } Shards. Alle { $all } werden von Grund auf neu trainiert; bis dahin zeigen Listen die beliebtesten Artikel.
y-in-no-shard-nothing = in keinem Shard: Nichts wird neu trainiert.
y-in-shard-alone-is = { $n ->
    [one] allein in Shard { $letter }. { $letter } wird sofort ausgelassen und von Grund auf neu trainiert; der andere bleibt.
   *[other] allein in Shard { $letter }. { $letter } wird sofort ausgelassen und von Grund auf neu trainiert; die anderen { $word } bleiben.
 }
y-in-the-mean = im Mittel
y-in-the-only-shard = im einzigen Shard. Er wird von Grund auf neu trainiert; bis dahin zeigen Listen die beliebtesten Artikel.
y-inner-step = Innerer Schritt
y-inner-step-against-the = Innerer Schritt, gegen den gelernten
y-is-back = { $shard } ist wieder da
y-is-being-added = { $name } wird hinzugefügt.
y-is-being-put-in = { $shard } wird eingesetzt
y-is-forgotten-only-had = „{ $name }“ ist vergessen. Nur { $letters } hatte es gesehen und wurde neu trainiert, { $word } blieben. Dann wurde eine Zwillingswelt, die es nie hatte, von Grund auf trainiert: { $result }.
y-is-here = {" "}ist { $name } hier
y-is-left-out-and = { $shard } wird ausgelassen und wartet auf sein Training
y-is-retraining-epoch-of = { $shard } wird neu trainiert: Epoche { $epoch } von { $epochs }
y-it-answers-what-was = Er antwortet auf das, was verlangt war
y-it-comes-from = Sie kommt von { $models }. { $adapted }
y-it-comes-when-the = Er kommt, wenn der letzte Shard wieder da ist, und wird hier geprüft.
y-it-could-not-be = Es ließ sich in diesem Browser nicht berechnen. Laden Sie die Seite neu, um es noch einmal zu versuchen.
y-it-is-carried-out = Es wird mit anderen zusammen ausgeführt; bis dahin bleiben die Listen, wie sie sind.
y-it-is-held-out = Er ist zum Messen zurückgehalten. Ihr Shard ändert sich trotzdem: Er wird sofort ausgelassen und von Grund auf neu trainiert; die anderen bleiben.
y-it-is-held-out-2 = Er ist zum Messen zurückgehalten, darum ändern sich bis zu drei Shards. Sie werden sofort ausgelassen und neu trainiert.
y-it-takes = { $standing }. Es dauert { $about }.
y-it-was-stopped = Es wurde angehalten.
y-its-entry-is-in = Sein Eintrag steht im Protokoll
y-keep = Behalten
y-keep-it = Behalten
y-keep-the-file-and = { $why } Heben Sie die Datei auf, und sagen Sie es dem Betreiber.
y-keep-the-name-to = ). Behalten Sie den Namen für sich:
y-keeps-it = {" "}behält ihn,{" "}
y-keeps-models = Modelle ({ $size }), bis der Server sie nicht mehr führt; { $rows ->
    [yes] Ihre Zeilen, Datensätze
   *[no] Ihre Datensätze
 } oder Ihre Auswahl, bis Sie sich abmelden oder diesen Speicher leeren. Ohne Netz gehen Listen bis { $until }.
y-kept-receipt = { $when }: { $what }, { $shards } neu trainiert
y-key = Schlüssel
y-keys = Tasten
y-leaving-out-each-of = Jeder Ihrer Datensätze wird einmal weggelassen …
y-length-of-the-list = Länge der Liste
y-listed = (die ersten { $shown } sind aufgeführt)
y-lists-are-computed-in = Listen werden in diesem Browser berechnet. Auswahl und Tabellen eines Besuchers verlassen ihn nie; wer angemeldet ist, fragt den Server nach dem Eigenen. Exakt heißt nicht geheim: Was jemand vor einer Löschung kopiert hat, wirkt dort weiter.
y-lists-are-made-on = Die Listen entstehen mit WebGPU, { $why }.
y-lists-are-made-on-2 = Die Listen entstehen auf der CPU.
y-makes-this-comparison = {" "}macht diesen Vergleich dafür.
y-mean = Mittel
y-missing = { $n ->
    [one] { $n } Name ist nicht in diesem Katalog
   *[other] { $n } Namen sind nicht in diesem Katalog
 }
y-models-are-on-their = { $word } Modelle sind unterwegs.
y-models-picks-your-sign = Modelle, Auswahl, Ihre Anmeldung, Ihre Belege und der zuerst gesehene Schlüssel verschwinden aus diesem Browser, in allen seinen Tabs. Auf Belege, die noch unterwegs sind, wird nicht gewartet. Auf dem Server ändert sich nichts.
y-more-drawn-not = { $list } weitere: { $drawn } gezogen, { $list2 } nicht
y-newest-first-what-you = Neueste zuerst: Was Sie zuletzt taten, zählt am meisten. Balken: sein Gewicht. Jedes Modell lässt Älteres auf seine Weise verblassen; dies sind die Gewichte im ersten.
y-newest-first-what-you-2 = Neueste zuerst: Was Sie zuletzt taten, zählt am meisten. Balken: sein Gewicht.
y-no-byte-differs = kein Byte der Modelle unterscheidet sich
y-no-clean-model-is = Einen Moment lang gibt es kein sauberes Modell.
y-no-model-knows-anybody = Kein Modell kennt jemanden: Auswahl oder Tabelle bekommen dieselbe Liste wie ein Konto mit denselben Datensätzen.
y-no-models-now-they = Gerade keine Modelle. Sie kommen mit Ihrer nächsten Liste wieder.
y-nobody-answers-for-a = Hier antwortet kein Dienst. Das Beispiel und das Labor gehen auch ohne.
y-nobody-is-signed-in = Hier ist niemand angemeldet. Der Beleg bleibt in diesem Browser, bis Sie ihn wegwerfen.
y-nobody-is-signed-in-2 = Niemand ist angemeldet, darum gibt es keine Liste.
y-none-column = keine
y-none-of-your-records = Keiner Ihrer Datensätze hebt diesen Artikel: Die meisten mögen ihn.
y-none-the-models-answer = Keine: Die Modelle antworten, wie sie sind.
y-not-forgotten-see-above = Nicht vergessen: siehe oben
y-not-here-yet = noch nicht hier
y-not-undone = Das lässt sich nicht rückgängig machen.
y-noted-it-is-carried = Vorgemerkt. Es wird mit anderen zusammen ausgeführt; bis dahin bleiben die Listen, wie sie sind.
y-noted-it-will-be = Vorgemerkt. Es wird vergessen.
y-noted-to-be-carried = Vorgemerkt, wird mit anderen ausgeführt
y-noted-your-account-will = Vorgemerkt. Ihr Konto wird gelöscht.
y-nothing = nichts
y-nothing-here-says-when = Nichts hier sagt, wann es war, darum ist alles gleich alt.
y-nothing-is-here-pick = Hier ist nichts. Wählen Sie ein paar Produkte, um zu beginnen.
y-nothing-it-has-no = Nichts: Er hat keinen Platz oder erlaubt es nicht. Modelle werden bei jedem Besuch geladen.
y-nothing-of-this-name = Nichts hat diesen Namen. Versuchen Sie ein kürzeres Wort.
y-nothing-of-yours-has = Nichts von Ihnen hat „{ $find }“ im Namen.
y-nothing-this-page-came = Nichts: Diese Seite kam über einfaches http, und für solche Seiten behalten Browser nichts. Bitten Sie den Betreiber um https.
y-nothing-yet = Noch nichts.
y-of = { $size } von { $size2 }
y-of-equal = { $equal } von { $count } gleich
y-on-a-purchase-asks = {" "}auf einem Kauf fragt, ob er vergessen werden soll,{" "}
y-on-the-graphics-device = Jetzt auf dem Grafikprozessor: die Modelle von { $letters }.
y-on-the-saved-file = {" "}auf die gespeicherte Datei anwenden. Dass er die Antwort auf Ihre eigene Anfrage ist, zeigt nur deren Name, zusammen mit dem, was Sie verlangt haben (
y-one-model-taught-by = einem Modell, das die Datensätze aller lernte
y-one-purchase-is-being = Ein Einkauf wird vergessen, hier.
y-one-record-counts = Ein Datensatz zählt.
y-one-shards-list-took = Die Liste eines Shards dauerte { $cpu } ms auf der CPU, { $gpu } ms mit WebGPU.
y-opens-this-list = {" "}öffnet diese Liste.
y-or-open-what-another = Oder öffnen Sie, was Ihnen ein anderer Dienst gab: Es bleibt in diesem Browser
y-or-pick-what-you = Oder wählen Sie, was Sie mögen: Es bleibt in diesem Browser
y-others-alike = { $n } weitere: { $share } % des Gewichts
y-others-older = { $n } ältere: { $share } % des Gewichts
y-out-of-the-mean = nicht im Mittel
y-over-records = über { $recency } Datensätze
y-piece-damaged = beschädigt
y-piece-epoch = Epoche { $epoch }/{ $epochs }
y-piece-retrained = neu trainiert
y-piece-was = war v{ $was }, neu trainiert
y-prefer-rare-purchases-1 = Seltene Käufe bevorzugen (1/τ)
y-prefer-recent-purchases = Jüngste Käufe bevorzugen
y-progress = { $phase }: { $share } %
y-purchases-that-adapt = Käufe, die anpassen
y-put-it-back = Zurücklegen
y-rank = Rang
y-rated-at-least = Bewertet mit mindestens
y-rated-below = { $n ->
    [one] { $n } Zeile war unter { $least } bewertet.
   *[other] { $n } Zeilen waren unter { $least } bewertet.
 }
y-rating = Bewertung
y-read = { $n ->
    [one] { $lines } gelesen: { $n } Artikel ist in diesem Katalog.
   *[other] { $lines } gelesen: { $n } Artikel sind in diesem Katalog.
 }
y-receipt = Beleg
y-receipt-n = Beleg { $number }
y-receipt-sr = Beleg { $number }
y-receipts = Belege
y-remove = Entfernen
y-removed = entfernt
y-reset = Zurücksetzen
y-retrained = neu trainiert
y-retrained-the-receipt-is = Neu trainiert. Der Beleg wird geprüft.
y-retrained-the-receipt-is-2 = Neu trainiert; der Beleg wird geprüft
y-retraining-has-begun = Das Training hat begonnen.
y-save-the-receipt = Beleg speichern
y-saved-from-now-on = Gespeichert. Von jetzt an benutzt keine Liste es mehr.
y-see-how-in-the = Im Labor sehen, wie es geht
y-see-the-receipt = Zum Beleg
y-sent = Gesendet …
y-shards-are-left-out = { $word } Shards werden ausgelassen, bis sie neu trainiert sind
y-show-all = Alle zeigen
y-sign-in = Anmelden
y-sign-out = Abmelden
y-signed-by-the-servers = Unterschrieben mit dem Schlüssel des Servers
y-single-keys-act = Einzelne Tasten wirken
y-skip-to-your-list = Zu Ihrer Liste springen
y-small-models-each-taught = { $word } kleinen Modellen; jedes lernte die ganzen Verläufe einiger Personen
y-small-models-each-taught-2 = { $word } kleinen Modellen; jedes lernte einen Teil der Datensätze aller
y-some-differ = einige Modelle unterscheiden sich, was nicht sein darf
y-starting = Es beginnt
y-step-fails = scheitert:
y-step-holds = stimmt:
y-step-open = offen:
y-steps = Schritte
y-switch-shards-off-in = Schalten Sie Shards oben in der Scheibe aus. Die Einstellungen stehen im Link; nichts über Sie.
y-switched-off = ausgeschaltet
y-taken-back-nothing-was = Zurückgenommen. Es wurde nichts gesendet.
y-the-account = das Konto
y-the-calculation-could-no = Die Berechnung konnte in diesem Browser nicht weitergehen. Laden Sie die Seite neu, um sie wieder zu beginnen.
y-the-download-is-the = Der Download ist das Modell, von dem er spricht
y-the-households-list = Die Liste des Haushalts
y-the-model-is-on = Das Modell ist unterwegs.
y-the-models-are-here = Die Modelle sind da.
y-the-most-popular-by = die beliebtesten, nach veröffentlichten Klassen
y-the-new-model-is = Das neue Modell wird eingesetzt.
y-the-newest = das Neueste
y-the-newest-2 = die neuesten { $n }
y-the-other-shards-are = Die anderen Shards sind unverändert
y-the-proof = Der Beweis
y-the-receipt-does-not = Der Beleg gilt nicht. { $why }
y-the-receipt-does-not-2 = Der Beleg gilt nicht
y-the-receipt-does-not-3 = Der Beleg gilt nicht.
y-the-receipt-is-on = Der Beleg ist unterwegs.
y-the-receipt-was-checked = Der Beleg wurde noch einmal geprüft.
y-the-service-holds = Der Dienst hat nichts, was Sie getan haben. Bis dahin ist Ihre Liste, was die meisten mögen.
y-there-is-no-receipt = Es gibt keinen Beleg.
y-they-are-in-the = Sie liegen in den Shards { $letters }, die sofort ausgelassen und von Grund auf neu trainiert werden; die anderen bleiben.
y-they-stay-in-this = Sie bleiben in diesem Browser, auch nach dem Abmelden, und sagen weder wer noch was. Prüfen Sie einen noch einmal, um ihn zu speichern.
y-throw-away = Wegwerfen
y-to = {" "}bis{" "}
y-token = Token
y-token-ends = Auch Ihr Token endet.
y-took = hier berechnet in { $ms } ms
y-took-2 = dauerte
y-took-gpu = hier berechnet in { $ms } ms, mit WebGPU
y-trained-anew-here = neu trainiert, hier
y-trust-the-new-log = Dem neuen Protokoll vertrauen
y-try-again = Noch einmal versuchen
y-try-other-settings = Andere Einstellungen versuchen
y-unchanged = = unverändert
y-undo = Rückgängig
y-undo-takes-back = { $n ->
    [one] { $n } Datensatz wird in { $seconds } Sekunden vergessen. „Rückgängig“ nimmt es zurück.
   *[other] { $n } Datensätze werden in { $seconds } Sekunden vergessen. „Rückgängig“ nimmt es zurück.
 }
y-waiting = { $n ->
    [one] { $what } wird in { $left } s vergessen.
   *[other] { $what } werden in { $left } s vergessen.
 }
y-waiting-2 = wartet
y-waits = Wartet …
y-webgpu-not-tried-yet = WebGPU noch nicht versucht
y-what = Was
y-what-adapts-the-models = Was die Modelle anpasst
y-what-the-household-bough = Was der Haushalt gekauft hat
y-what-this-browser-keeps = Was dieser Browser behält
y-whatever-somebody-delete = Was jemand löschen lässt, ist auch aus den Modellen fort, als wäre es nie da gewesen. Dies ist die Liste eines Haushalts: Lassen Sie einen seiner Einkäufe vergessen, und sehen Sie, welches Modell sich ändert, wie sich die Liste bewegt, und den Beweis. Oder melden Sie sich an, oder wählen Sie ein paar Produkte: Dann geht es um Sie.
y-when = Wann
y-which-device-computes = Welches Gerät rechnet
y-which-trains-from-scratc = , das auf dem Übrigen von Grund auf trainiert. Niemand kann beweisen, dass es anderswo keine Kopie gibt.
y-whichever-is-faster = Was schneller ist
y-who-else-can-check = Wer ihn sonst prüfen kann
y-whose-lines = Wessen Zeilen
y-whose-list = Wessen Liste?
y-why = Warum
y-without-it-it-would = ohne ihn wäre es immer noch Platz { $place }.
y-without-it-it-would-2 = ohne ihn wäre es Platz { $place }.
y-your-account-is-gone = Ihr Konto ist fort.
y-your-account-is-gone-2 = Ihr Konto ist fort. Sein Modell ist neu.
y-your-account-is-gone-3 = Ihr Konto ist fort. Die Modelle sind neu.
y-your-list = Ihre Liste
y-your-list-appears-here = Ihre Liste erscheint hier, sobald die Modelle da sind.
y-your-list-made-in = Ihre Liste, in diesem Browser erstellt.
y-your-list-uses-it = Ihre Liste benutzt es sofort; sein Shard lernt es beim nächsten Training
y-your-picks = Ihre Auswahl
y-your-purchases = Ihre Einkäufe
y-your-receipts = Ihre Belege
y-your-records-lie = { $n ->
    [one] Ihr { $n } Datensatz liegt { $fate }
   *[other] Ihre { $n } Datensätze liegen { $fate }
 }
