o-a-key-signs-from = Ab hier unterschreibt ein Schlüssel
o-a-person = Eine Person
o-a-person-2 = eine Person
o-a-service-of-eight = Ein Dienst aus acht Shards, während die Löschungen zweier Personen unterwegs sind. Die Zahlen sind erfunden.
o-a-token-for-it = Ein Token für { $user }. Es wird nur dieses eine Mal gezeigt: Kopieren Sie es jetzt.
o-accepted = { $n ->
    [one] { $n } Löschung ist angenommen und noch nicht ausgeführt: Bis dahin werden ihre Datensätze benutzt.
   *[other] { $n } Löschungen sind angenommen und noch nicht ausgeführt: Bis dahin werden ihre Datensätze benutzt.
 }
o-administrator-leave = Administrator · verlassen
o-after = Danach
o-age = Alter
o-all-shards-serve = Alle { $word } Shards sind im Dienst.
o-an-administrator = einen Administrator
o-an-entry-of-a = Ein Eintrag einer späteren Version
o-an-example-of-a = Ein Beispiel eines Dienstes
o-an-operator = einen Betreiber
o-an-operators-token = Das Token eines Betreibers
o-and-more = Und { $rest } weitere.
o-answer = Antwort
o-answers = Antworten
o-answers-overtaken = überholte Antworten
o-any = Alle
o-asked-at = verlangt um { $at }, geschrieben { $later } später
o-backups-hold = Was gelöscht wird, steht in ihnen, bis sie vernichtet sind.
o-backups-that-are-out = Sicherungen, die es noch gibt
o-besides = { $n ->
    [one] Daneben: { $n } Token für Personen, die hier nicht genannt werden.
   *[other] Daneben: { $n } Tokens für Personen, die hier nicht genannt werden.
 }
o-carried-out = { $n ->
    [one] { $n } Löschung ist ausgeführt: Keine Antwort benutzt ihre Datensätze.
   *[other] { $n } Löschungen sind ausgeführt: Keine Antwort benutzt ihre Datensätze.
 }
o-changes-wait = { $n ->
    [one] { $n } Änderung wartet auf das Schreiben.
   *[other] { $n } Änderungen warten auf das Schreiben.
 }
o-close = Schließen
o-count = Anzahl
o-days-empty-for-always = Tage; leer für immer
o-days-give-a-whole = Tage: Geben Sie eine ganze Zahl an, oder lassen Sie das Feld leer. Es wurde kein Token erstellt.
o-delete = Löschen …
o-delete-2 = Löschen
o-delete-all-records = Alle Datensätze löschen …
o-delete-everything-that-t = Alles löschen, was diese Person getan hat? Das Konto bleibt.
o-delete-item = „{ $name }“ dieser Person löschen?
o-delete-the-account = Das Konto löschen …
o-delete-the-account-with = Das Konto löschen, mit jedem Datensatz und Token?
o-delete-what = Die Shards, die es sahen, werden neu trainiert. Das lässt sich nicht rückgängig machen, und das Prüfprotokoll sagt, dass Sie es verlangt haben.
o-deletions-acknowledged = Bestätigte Löschungen
o-deletions-in-the-last = Löschungen in der letzten Stunde
o-deletions-without-a-rece = Löschungen ohne Beleg
o-destroy-it-now = jetzt vernichten
o-destroy-within = Frist zum Vernichten: { $span }
o-do-all-admin = alles (admin)
o-due = Fällig
o-each-receipt-is-an = Jeder Beleg ist ein Eintrag, und jedes Modell, das in Dienst geht, auch. Die Seite holt alle und prüft, dass sie die Wurzel ergeben, die der Server unterschrieb.
o-entry = Eintrag { $number }
o-entry-2 = Eintrag
o-epoch = Epoche { $epoch } von { $epochs }
o-example = Beispiel
o-file = Datei
o-find = Suchen
o-for-more = noch { $left }
o-for-whoever-runs-eemu = Für alle, die eemu betreiben: welche Modelle im Dienst sind, welche Löschungen unterwegs sind und bis wann, wie schnell und wie gut die Listen sind, und das Protokoll der Belege, laufend. Zu sehen sind Shards und Zahlen, und niemandes Datensätze. Ein Token zeigt Ihren eigenen Dienst; unten steht ein Beispiel.
o-found-by-the-exact = Zu finden nur mit der genauen Kennung der eingelesenen Daten. Niemand lässt sich auflisten oder auf andere Weise suchen.
o-from-to = { $first } bis { $last } von { $all }
o-hash = Hash
o-how-fast = Wie schnell
o-how-good = Wie gut
o-i-have-it = Ich habe es
o-identifier = Kennung
o-in = noch { $span }
o-in-the-since-it = Seit dem Start ({ $span })
o-it-names-tokens-and = Es nennt Tokens und Arten von Fragen; keine Person und keinen Artikel.
o-keep = Behalten
o-kind = Art
o-kind-all = Alle Einträge
o-kind-keys = Schlüssel
o-kind-published = Veröffentlichte Modelle
o-kind-receipts = Belege
o-last-thousand = Letzte tausend
o-late = { $n ->
    [one] { $n } Löschung ist verspätet.
   *[other] { $n } Löschungen sind verspätet.
 }
o-late-by = um { $span } verspätet
o-lists = Listen
o-lists-are-worse-than = Die Listen sind schlechter, als sie waren, mehr als durch Zufall. Sehen Sie nach, welche Shards fehlen und was seither gelöscht oder hinzugefügt wurde.
o-log-whole = { $n ->
    [one] Das Protokoll ist vollständig: { $n } Eintrag wurde geholt, davon { $receipts } Belege, und ergibt die Wurzel, die der Server unterschrieb. Schlüssel { $key }…
   *[other] Das Protokoll ist vollständig: { $n } Einträge wurden geholt, davon { $receipts } Belege, und ergeben die Wurzel, die der Server unterschrieb. Schlüssel { $key }…
 }
o-look = Ansehen
o-look-again = Noch einmal ansehen
o-look-operator = ansehen (operator)
o-make-a-token = Token erstellen
o-make-a-token-for = Token für 30 Tage erstellen
o-makes-one = {" "}macht eines;{" "}
o-makes-one-beside-the = {" "}macht eine neben dem laufenden Dienst.
o-many-retrain = { $word } werden neu trainiert.
o-may = Darf
o-more-than-is-sustained = Mehr, als dauerhaft geht: Belege kommen immer später. Stellen Sie mehr Trainer bereit, oder sammeln Sie länger.
o-named-retrain = { $n ->
    [one] { $names } wird neu trainiert.
   *[other] { $names } werden neu trainiert.
 }
o-neither-the-log-nor = Weder das Protokoll noch die Löschungen, die unterwegs sind, kennen das. Prüfen Sie die Nummer oder den Namen.
o-newer = Neuere
o-no = Nr.
o-no-deletion-waits-for = Keine Löschung wartet auf ihren Beleg.
o-no-entry-fits = Kein Eintrag passt.
o-no-receipt-yet = Noch kein Beleg.
o-no-shard-serves = Kein Shard ist im Dienst.
o-no-shard-waits = Kein Shard wartet.
o-none = Keine. { $policy }
o-none-known = Es ist keine bekannt.
o-not-measured-every = Nicht gemessen: Jeder Datensatz wird gelernt, so bleibt keiner zum Urteilen. Lesen Sie mit{" "}
o-of-shards-serve = { $n ->
    [one] Einer von { $word2 } Shards ist im Dienst.
   *[other] { $word } von { $word2 } Shards sind im Dienst.
 }
o-of-sustained = { $asked } von { $sustained }, die dauerhaft gehen
o-old = { $age } alt
o-older = Ältere
o-one-that-may-also = {" "}eines, das auch eine Person suchen darf. Es wird nur für diesen Besuch behalten.
o-operator-leave = Betreiber · verlassen
o-out = nicht im Mittel
o-out-collects = draußen, sammelt
o-out-collects-long = Nicht im Mittel; sammelt Änderungen
o-out-long = Nicht im Mittel
o-out-publishes = wird eingesetzt
o-out-publishes-long = Nicht im Mittel; sein Modell wird eingesetzt
o-out-retrains = trainiert
o-out-retrains-long = Nicht im Mittel; wird neu trainiert
o-out-waits = draußen, wartet
o-out-waits-long = Nicht im Mittel; wartet auf ein Training
o-people = Personen
o-policy-by = Löschungen werden zusammen ausgeführt, jeden Tag bis { $time } UTC; ein Beleg ist binnen 30 Tagen nach der Anfrage fällig.
o-policy-once = Löschungen werden ausgeführt, bevor sie bestätigt werden; ein Beleg ist binnen 30 Tagen nach der Anfrage fällig.
o-policy-within = Löschungen werden zusammen ausgeführt, Frist: { $span }; ein Beleg ist binnen 30 Tagen nach der Anfrage fällig.
o-published = Veröffentlicht
o-quality-of = { $n ->
    [one] Von { $n } Person mit zurückgehaltenen Datensätzen, jedes Mal derselben, Alter der Messung: { $ago }. Das Beste, seit der Dienst läuft: { $best }.
   *[other] Von { $n } Personen mit zurückgehaltenen Datensätzen, jedes Mal denselben, Alter der Messung: { $ago }. Das Beste, seit der Dienst läuft: { $best }.
 }
o-receipt-next = Als Nächstes kommt der Beleg.
o-receipt-removed = { $n ->
    [one] Beleg: { $n } Datensatz entfernt
   *[other] Beleg: { $n } Datensätze entfernt
 }
o-receipts-in = Belege in: { $time }.
o-receipts-number-or-reque = Nummer des Belegs oder Name der Anfrage
o-records = Datensätze
o-records-added = hinzugefügte Datensätze
o-records-are-held-out = Datensätze sind zurückgehalten; gemessen wird nach dem nächsten Training.
o-records-deleted = gelöschte Datensätze
o-request = Anfrage
o-retrain-now = Jetzt neu trainieren
o-revoke = Widerrufen
o-said-accepted = Angenommen: Es wird mit anderen zusammen ausgeführt, bis zu der Zeit, die oben steht.
o-said-account = Das Konto ist fort: { $records }. { $retrain }.
o-said-deleted = Gelöscht: { $records }. { $retrain }.
o-said-name = Der Name der Anfrage ist { $request }: Geben Sie ihn weiter an den, der es verlangt hat; damit gibt es den Beleg.
o-said-nothing = Da war nichts zu löschen.
o-save-all-that-is = Alles speichern, was aufbewahrt ist
o-save-these-as-json = Diese als JSON Lines speichern
o-see-a-service-forget = Sehen Sie einem Dienst beim Vergessen zu.
o-server-faults = Serverfehler
o-serving = im Dienst
o-serving-changed = Im Dienst; Datensätze geändert
o-serving-collects = im Dienst, sammelt
o-serving-collects-long = Im Dienst; sammelt Änderungen
o-serving-long = Im Dienst
o-serving-publishes = im Dienst, wird ersetzt
o-serving-publishes-long = Im Dienst; sein neues Modell wird eingesetzt
o-serving-retrains = im Dienst, trainiert
o-serving-retrains-long = Im Dienst; wird neu trainiert
o-serving-waits = im Dienst, wartet
o-serving-waits-long = Im Dienst; wartet auf ein Training
o-shard = Shard
o-shards = Shards
o-shards-retrain = { $n ->
    [one] { $n } Shard wird neu trainiert
   *[other] { $n } Shards werden neu trainiert
 }
o-shards-trained = trainierte Shards
o-shards-would-begin-at = { $some } Shards begännen sofort.
o-show = Zeigen
o-show-all = Alle { $count } zeigen
o-skip-to-the-service = Zum Dienst springen
o-state = Stand
o-state-accepted = Angenommen; ihre Datensätze werden noch benutzt
o-state-collects = Wirksam; ihre Shards sammeln weiter
o-state-done = Wirksam; als Nächstes kommt der Beleg
o-state-publishes = Wirksam; ein neues Modell wird eingesetzt
o-state-queued = Wirksam; ihre Shards warten auf ein Training
o-state-retrains = Wirksam; ihre Shards werden neu trainiert
o-the-log-does-not = Das Protokoll gilt nicht: { $why }. Vergleichen Sie es mit dem, was andere sahen, und mit einer Sicherung.
o-the-log-of-receipts = Das Protokoll der Belege
o-the-service = Der Dienst
o-the-shard-serves = Der Shard ist im Dienst.
o-times = { $n ->
    [one] { $n }-mal
   *[other] { $n }-mal
 }
o-to-measure = {" "}ein, um zu messen.
o-token = Token
o-token-ended-whoever-hold = Token { $id } ist beendet. Wer es hat, wird von jetzt an abgewiesen.
o-token-sr = Token { $id }
o-tokens = Tokens
o-took = Dauerte
o-trained = Trainiert
o-trainings-failed = gescheiterte Trainings
o-trainings-restarted = neu begonnene Trainings
o-until = bis { $clock }
o-until-it-is-revoked = bis zum Widerruf
o-version = Version
o-versions-are-numbered-ov = Versionen werden über alle Shards in einer Reihe gezählt: Von v6 auf v13 ist ein Training. „Trainiert“ zählt.
o-waits-for = Wartet auf
o-what = Was
o-when = Wann
o-who-asked-for-what = Wer was verlangt hat
o-would-begin-at-once = Beginn sofort: { $some }.
o-written = Geschrieben
