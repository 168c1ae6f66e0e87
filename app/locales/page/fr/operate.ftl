o-a-key-signs-from = Une clé signe à partir d’ici
o-a-person = Une personne
o-a-person-2 = une personne
o-a-service-of-eight = Un service de huit shards pendant que les suppressions de deux personnes sont en route. Ses chiffres sont inventés.
o-a-token-for-it = Un jeton pour { $user }. Il n’est montré que cette fois : copiez-le maintenant.
o-accepted = { $n ->
    [one] { $n } suppression est acceptée et pas encore exécutée : d’ici là, ses enregistrements servent.
   *[other] { $n } suppressions sont acceptées et pas encore exécutées : d’ici là, leurs enregistrements servent.
 }
o-administrator-leave = Administrateur · quitter
o-after = Après
o-age = Ancienneté
o-all-shards-serve = Les { $word } shards sont tous en service.
o-an-administrator = un administrateur
o-an-entry-of-a = Une entrée d’une version plus récente
o-an-example-of-a = Un exemple de service
o-an-operator = un exploitant
o-an-operators-token = Le jeton d’un exploitant
o-and-more = Et { $rest } autres.
o-answer = Réponse
o-answers = réponses
o-answers-overtaken = réponses dépassées
o-any = Tous
o-asked-at = demandé à { $at }, écrit { $later } plus tard
o-backups-hold = Ce qui est supprimé y reste jusqu’à leur destruction.
o-backups-that-are-out = Sauvegardes existantes
o-besides = { $n ->
    [one] En plus : { $n } jeton pour des personnes, qui ne sont pas nommées ici.
   *[other] En plus : { $n } jetons pour des personnes, qui ne sont pas nommées ici.
 }
o-carried-out = { $n ->
    [one] { $n } suppression est exécutée : aucune réponse n’utilise ses enregistrements.
   *[other] { $n } suppressions sont exécutées : aucune réponse n’utilise leurs enregistrements.
 }
o-changes-wait = { $n ->
    [one] { $n } changement attend l’écriture.
   *[other] { $n } changements attendent l’écriture.
 }
o-close = Fermer
o-count = Nombre
o-days-empty-for-always = Jours ; vide pour toujours
o-days-give-a-whole = Jours : donnez un nombre entier, ou laissez le champ vide. Aucun jeton n’a été créé.
o-delete = Supprimer…
o-delete-2 = Supprimer
o-delete-all-records = Supprimer tous les enregistrements…
o-delete-everything-that-t = Supprimer tout ce que cette personne a fait ? Le compte reste.
o-delete-item = Supprimer « { $name } » de cette personne ?
o-delete-the-account = Supprimer le compte…
o-delete-the-account-with = Supprimer le compte, avec chaque enregistrement et jeton ?
o-delete-what = Les shards qui l’ont vu sont réentraînés. C’est irrévocable, et le journal d’audit dit que vous l’avez demandé.
o-deletions-acknowledged = Suppressions confirmées
o-deletions-in-the-last = Suppressions dans la dernière heure
o-deletions-without-a-rece = Suppressions sans reçu
o-destroy-it-now = à détruire maintenant
o-destroy-within = à détruire sous { $span }
o-do-all-admin = tout faire (admin)
o-due = Échéance
o-each-receipt-is-an = Chaque reçu est une entrée, comme chaque modèle mis en service. La page les lit toutes et vérifie qu’elles donnent la racine que le serveur a signée.
o-entry = Entrée { $number }
o-entry-2 = Entrée
o-epoch = époque { $epoch } sur { $epochs }
o-example = Exemple
o-file = Fichier
o-find = Chercher
o-for-more = encore { $left }
o-for-whoever-runs-eemu = Pour qui exploite eemu : quels modèles sont en service, quelles suppressions sont en route et jusqu’à quand, la vitesse et la qualité des listes, et le journal des reçus, en direct. On y voit des shards et des nombres, et les enregistrements de personne. Un jeton montre votre propre service ; un exemple est dessous.
o-found-by-the-exact = Se trouve par l’identifiant exact des données importées. Personne ne peut être listé ni recherché.
o-from-to = { $first } à { $last } sur { $all }
o-hash = Empreinte
o-how-fast = Vitesse
o-how-good = Qualité
o-i-have-it = Je l’ai
o-identifier = Identifiant
o-in = dans { $span }
o-in-the-since-it = Depuis le début, il y a { $span }
o-it-names-tokens-and = Il nomme des jetons et des sortes de questions ; aucune personne et aucun article.
o-keep = Garder
o-kind = Type
o-kind-all = Toutes les entrées
o-kind-keys = Clés
o-kind-published = Modèles publiés
o-kind-receipts = Reçus
o-last-thousand = Mille derniers
o-late = { $n ->
    [one] { $n } suppression est en retard.
   *[other] { $n } suppressions sont en retard.
 }
o-late-by = en retard de { $span }
o-lists = Listes
o-lists-are-worse-than = Les listes sont moins bonnes qu’avant, au-delà du hasard. Regardez quels shards manquent, et ce qui a été supprimé ou ajouté depuis.
o-log-whole = { $n ->
    [one] Le journal est entier : { $n } entrée lue, dont { $receipts } reçus, donne la racine que le serveur a signée. Clé { $key }…
   *[other] Le journal est entier : { $n } entrées lues, dont { $receipts } reçus, donnent la racine que le serveur a signée. Clé { $key }…
 }
o-look = Voir
o-look-again = Voir de nouveau
o-look-operator = voir (operator)
o-make-a-token = Créer un jeton
o-make-a-token-for = Créer un jeton pour 30 jours
o-makes-one = {" "}en crée un ;{" "}
o-makes-one-beside-the = {" "}en fait une à côté du service en marche.
o-many-retrain = { $word } se réentraînent.
o-may = Peut
o-more-than-is-sustained = Plus que ce qui est soutenable : les reçus viennent de plus en plus tard. Ajoutez des entraîneurs, ou rassemblez plus longtemps.
o-named-retrain = { $n ->
    [one] { $names } se réentraîne.
   *[other] { $names } se réentraînent.
 }
o-neither-the-log-nor = Ni le journal ni les suppressions en route ne connaissent cela. Vérifiez le numéro ou le nom.
o-newer = Plus récents
o-no = N°
o-no-deletion-waits-for = Aucune suppression n’attend son reçu.
o-no-entry-fits = Aucune entrée ne convient.
o-no-receipt-yet = Pas encore de reçu.
o-no-shard-serves = Aucun shard n’est en service.
o-no-shard-waits = Aucun shard n’attend.
o-none = Aucune. { $policy }
o-none-known = Aucune n’est connue.
o-not-measured-every = Pas mesuré : chaque enregistrement sert à l’entraînement, il n’en reste pas pour juger. Importez avec{" "}
o-of-shards-serve = { $n ->
    [one] Un shard sur { $word2 } est en service.
   *[other] { $word } shards sur { $word2 } sont en service.
 }
o-of-sustained = { $asked } sur { $sustained } soutenables
o-old = { $age }
o-older = Plus anciens
o-one-that-may-also = {" "}un qui peut aussi chercher une personne. Il n’est gardé que pour cette visite.
o-operator-leave = Exploitant · quitter
o-out = hors de la moyenne
o-out-collects = dehors, attend
o-out-collects-long = Hors de la moyenne ; rassemble les changements
o-out-long = Hors de la moyenne
o-out-publishes = publie
o-out-publishes-long = Hors de la moyenne ; son modèle est mis en place
o-out-retrains = se réentraîne
o-out-retrains-long = Hors de la moyenne ; se réentraîne
o-out-waits = dehors, en file
o-out-waits-long = Hors de la moyenne ; attend un entraîneur
o-people = Personnes
o-policy-by = Les suppressions sont exécutées ensemble, chaque jour avant { $time } UTC ; un reçu est dû dans les 30 jours après la demande.
o-policy-once = Les suppressions sont exécutées avant d’être confirmées ; un reçu est dû dans les 30 jours après la demande.
o-policy-within = Les suppressions sont exécutées ensemble, sous { $span } ; un reçu est dû dans les 30 jours après la demande.
o-published = Publié
o-quality-of = { $n ->
    [one] Sur { $n } personne avec des enregistrements mis de côté, toujours la même, mesuré il y a { $ago }. Le meilleur depuis le début du service : { $best }.
   *[other] Sur { $n } personnes avec des enregistrements mis de côté, toujours les mêmes, mesuré il y a { $ago }. Le meilleur depuis le début du service : { $best }.
 }
o-receipt-next = Le reçu vient ensuite.
o-receipt-removed = { $n ->
    [one] Reçu : { $n } enregistrement retiré
   *[other] Reçu : { $n } enregistrements retirés
 }
o-receipts-in = Reçus dans { $time }.
o-receipts-number-or-reque = Numéro du reçu ou nom de la demande
o-records = Enregistrements
o-records-added = enregistrements ajoutés
o-records-are-held-out = Des enregistrements sont mis de côté ; la mesure vient après le prochain entraînement.
o-records-deleted = enregistrements supprimés
o-request = Demande
o-retrain-now = Réentraîner maintenant
o-revoke = Révoquer
o-said-accepted = Accepté : ce sera exécuté avec d’autres, avant l’heure indiquée plus haut.
o-said-account = Le compte n’existe plus : { $records }. { $retrain }.
o-said-deleted = Supprimé : { $records }. { $retrain }.
o-said-name = Le nom de la demande est { $request } : donnez-le à qui l’a faite ; avec lui, on obtient le reçu.
o-said-nothing = Il n’y avait rien à supprimer.
o-save-all-that-is = Enregistrer tout ce qui est gardé
o-save-these-as-json = Enregistrer celles-ci en JSON Lines
o-see-a-service-forget = Voyez un service oublier.
o-server-faults = erreurs du serveur
o-serving = en service
o-serving-changed = En service ; enregistrements changés
o-serving-collects = en service, attend
o-serving-collects-long = En service ; rassemble les changements
o-serving-long = En service
o-serving-publishes = en service, publie
o-serving-publishes-long = En service ; son nouveau modèle est mis en place
o-serving-retrains = en service, apprend
o-serving-retrains-long = En service ; se réentraîne
o-serving-waits = en service, en file
o-serving-waits-long = En service ; attend un entraîneur
o-shard = Shard
o-shards = Shards
o-shards-retrain = { $n ->
    [one] { $n } shard se réentraîne
   *[other] { $n } shards se réentraînent
 }
o-shards-trained = shards entraînés
o-shards-would-begin-at = { $some } shards commenceraient aussitôt.
o-show = Afficher
o-show-all = Afficher les { $count }
o-skip-to-the-service = Aller au service
o-state = État
o-state-accepted = Acceptée ; ses enregistrements servent encore
o-state-collects = En vigueur ; ses shards en attendent d’autres
o-state-done = En vigueur ; le reçu vient ensuite
o-state-publishes = En vigueur ; un nouveau modèle est mis en place
o-state-queued = En vigueur ; ses shards attendent un entraîneur
o-state-retrains = En vigueur ; ses shards se réentraînent
o-the-log-does-not = Le journal n’est pas valable : { $why }. Comparez-le à ce que d’autres ont vu, et à une sauvegarde.
o-the-log-of-receipts = Le journal des reçus
o-the-service = Le service
o-the-shard-serves = Le shard est en service.
o-times = { $n ->
    [one] { $n } fois
   *[other] { $n } fois
 }
o-to-measure = {" "}pour mesurer.
o-token = Jeton
o-token-ended-whoever-hold = Le jeton { $id } a pris fin. Qui le possède est désormais refusé.
o-token-sr = jeton { $id }
o-tokens = Jetons
o-took = Durée
o-trained = Entraîné
o-trainings-failed = entraînements échoués
o-trainings-restarted = entraînements repris
o-until = jusqu’à { $clock }
o-until-it-is-revoked = jusqu’à révocation
o-version = Version
o-versions-are-numbered-ov = Les versions sont numérotées d’une suite pour tous les shards : de v6 à v13, c’est un entraînement. « Entraîné » les compte.
o-waits-for = Attend
o-what = Quoi
o-when = Quand
o-who-asked-for-what = Qui a demandé quoi
o-would-begin-at-once = Départ immédiat : { $some }.
o-written = Écrit
