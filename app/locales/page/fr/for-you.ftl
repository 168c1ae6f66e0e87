y-a-demonstration-anybody = Une démonstration : chacun peut se connecter comme l’un de ces foyers.
y-a-recommender-that-forge = Des recommandations, avec l’oubli exact.
y-a-signed-statement-it = Une déclaration signée ; elle ne dit pas ce qui a été retiré. La preuve est{" "}
y-about-to-be-forgotten = Sur le point d’être oublié
y-adapts-all = Tous vos { $n } { $what ->
    [picks] choix
   *[records] enregistrements
 } { $shards ->
    [one] l’adaptent
   *[other] les adaptent
 }, ici.
y-adapts-drawn = { $n ->
    [0] Aucun de vos achats ne les adapte.
    [one] Un de vos achats les adapte tous, ici.
   *[other] { $word } de vos achats les adaptent tous, ici.
 }
y-adapts-none = Aucun de { $what ->
    [picks] vos choix
   *[records] vos enregistrements
 } ne { $shards ->
    [one] l’adapte
   *[other] les adapte
 }.
y-adapts-one = Un de { $what ->
    [picks] vos choix
   *[records] vos enregistrements
 } { $shards ->
    [one] l’adapte
   *[other] les adapte
 }, ici.
y-adapts-some = { $n } de { $what ->
    [picks] vos choix
   *[records] vos enregistrements
 } { $shards ->
    [one] l’adaptent
   *[other] les adaptent
 }, ici.
y-add = Ajouter :
y-add-something = Ajouter quelque chose
y-after-forgetting-compute = après l’oubli, calculé ici en { $millis } ms
y-all = tout
y-all-count-alike-what = Tous comptent autant : la date ne joue aucun rôle.
y-all-in-shard-a = Tout est dans le shard { $shard } : les enregistrements d’une personne restent ensemble.
y-all-models-that-may = Tous les modèles qui peuvent répondre sont en réentraînement. D’ici là, voici les articles les plus populaires.
y-already-left-out-of = Déjà absent de votre liste ; { $shard } se réentraîne, époque { $epoch } sur { $epochs }
y-already-left-out-of-2 = Déjà absent de votre liste
y-and-arrows-act-on = {" "}et les flèches agissent sur le vitrail quand il a le focus,{" "}
y-anybody-can-run = Chacun peut lancer{" "}
y-as = { $wrote } comme { $name } ({ $sure } %)
y-as-computed-once-nativel = calculé une fois, hors du navigateur
y-asked = demandé
y-asking-the-server = Question au serveur…
y-bad-lines = { $n ->
    [one] { $n } ligne laissée de côté, car illisible
   *[other] { $n } lignes laissées de côté, car illisibles
 }
y-bar-chance = probabilité { $share } %
y-bar-weight = poids { $share } %
y-can-be-read-in = « { $wrote } » peut se lire de deux façons, et aucune ligne ne tranche. Laquelle est la bonne ?
y-cancel = Annuler
y-check-again = Vérifier de nouveau
y-checked-again-just-now = Vérifié de nouveau à l’instant, d’après ce que le service publie aujourd’hui.
y-checked-here = Vérifié ici
y-checked-in-part = Vérifié en partie
y-choose = Choisir { $name }
y-choose-several = En choisir plusieurs
y-close = Fermer
y-computed-in-this-browser = Calculé dans ce navigateur à l’instant. Un service signe un reçu de chaque suppression, et{" "}
y-cost-one-shard = { $n ->
    [one] Il est dans le shard { $letter }. { $letter } est aussitôt mis de côté et réentraîné à partir de rien ; les autres restent.
   *[other] Ils sont dans le shard { $letter }. { $letter } est aussitôt mis de côté et réentraîné à partir de rien ; les autres restent.
 }
y-csv-tabs-json-or = CSV, tabulations, JSON ou JSON Lines, ou un zip, comme les exportent Netflix, Goodreads, Letterboxd, Last.fm ou Spotify.
y-day-or-month-first = Le jour ou le mois d’abord ?
y-delete = Suppr
y-delete-account-ask = Supprimer le compte ?
y-delete-the-account = Supprimer le compte
y-delete-the-account-2 = Supprimer le compte…
y-device = Appareil :
y-does-not-hold = Pas valable
y-does-not-hold-2 = {" "}n’est pas valable
y-download-again = Télécharger de nouveau
y-download-all-that-is = Télécharger tout ce qui est gardé sur moi
y-draw-again = Tirer de nouveau
y-drawn = { $n } tirés par l’éq. 7. Barre : probabilité au prochain tirage. Trait : un tirage uniforme.
y-drawn-even = À cette température, l’éq. 7 est presque uniforme.
y-drawn-faded = { $n } tirés par l’éq. 7, les plus anciens s’effacent. Barre : probabilité au prochain tirage. Trait : un tirage uniforme.
y-eight-models-are-trained = Huit modèles sont entraînés ici, l’un est réentraîné sans l’achat, et un monde jumeau qui ne l’a jamais eu est entraîné à côté.
y-emptied-this-browser-kee = Vidé. Ce navigateur ne garde plus rien.
y-empty-it = Vider…
y-empty-it-2 = Vider
y-empty-what-this-browser = Vider ce que ce navigateur garde ?
y-entry = entrée { $number }
y-esc = Échap
y-example = Exemple
y-fate-some = dans { $some } des { $all } shards. { $first } sont aussitôt mis de côté et réentraînés à partir de rien ; les autres restent.
y-fetching = Téléchargement : { $now } %.
y-fetching-models = Téléchargement des modèles
y-fetching-the-models = Téléchargement des modèles, { $size }.
y-file-read = { $n ->
    [one] Fichier lu : { $n } de ses articles est dans ce catalogue.
   *[other] Fichier lu : { $n } de ses articles sont dans ce catalogue.
 }
y-find-a-product = Chercher un produit
y-find-a-purchase = Chercher un achat
y-forget = Oublier { $count }…
y-forget-2 = Oublier
y-forget-3 = Oublier { $what } ?
y-forget-4 = Oublier { $what } ? { $cost }
y-forget-all-ask = Tout oublier ?
y-forget-everything = Tout oublier
y-forget-everything-2 = Tout oublier…
y-forget-now = Oublier maintenant
y-forget-something-and-its = Faites oublier quelque chose, et son reçu est vérifié ici : signature, place dans le journal, s’il répond à votre demande, votre téléchargement, les autres shards.
y-forgetting = Oubli de « { $name } »
y-forgetting-here = Oubli de « { $name } », ici.
y-forgotten = { $n ->
    [one] Oublié. { $again } modèle refait ; intacts : { $still }.
   *[other] Oublié. { $again } modèles refaits ; intacts : { $still }.
 }
y-forgotten-2 = Oublié
y-forgotten-and-proved-in = Oublié, et prouvé, dans ce navigateur.
y-forgotten-of-models-are = Oublié. { $equal } modèles sur { $twin } sont égaux à ceux qui ne l’ont jamais connu.
y-forgotten-the-model-is = Oublié. Le modèle est refait.
y-forgotten-the-receipt-wa = Oublié. Le reçu a été vérifié.
y-guessed = { $n ->
    [one] { $n } nom deviné
   *[other] { $n } noms devinés
 }
y-half-the-download-rounde = Moitié du téléchargement, arrondi : les scores bougent un peu
y-how-much-of-what = Combien compte de ce que vous avez fait
y-in-all-shards-all = dans les { $all } shards. Tous les { $all } se réentraînent à partir de rien ; d’ici là, les listes montrent les articles les plus populaires.
y-in-no-shard-nothing = dans aucun shard : rien ne se réentraîne.
y-in-shard-alone-is = { $n ->
    [one] dans le seul shard { $letter }. { $letter } est aussitôt mis de côté et réentraîné à partir de rien ; l’autre reste.
   *[other] dans le seul shard { $letter }. { $letter } est aussitôt mis de côté et réentraîné à partir de rien ; les { $word } autres restent.
 }
y-in-the-mean = dans la moyenne
y-in-the-only-shard = dans l’unique shard. Il se réentraîne à partir de rien ; d’ici là, les listes montrent les articles les plus populaires.
y-inner-step = Pas interne
y-inner-step-against-the = Pas interne, par rapport à l’appris
y-is-back = { $shard } est de retour
y-is-being-added = { $name } est en cours d’ajout.
y-is-being-put-in = { $shard } est mis en place
y-is-forgotten-only-had = « { $name } » est oublié. Seul { $letters } l’avait vu et a été réentraîné, { $word } sont restés. Puis un monde jumeau qui ne l’a jamais eu a été entraîné à partir de rien : { $result }.
y-is-here = {" "}{ $name } est ici
y-is-left-out-and = { $shard } est mis de côté et attend son réentraînement
y-is-retraining-epoch-of = { $shard } se réentraîne : époque { $epoch } sur { $epochs }
y-it-answers-what-was = Il répond à ce qui a été demandé
y-it-comes-from = Elle vient de { $models }. { $adapted }
y-it-comes-when-the = Il arrive quand le dernier shard est de retour, et il est vérifié ici.
y-it-could-not-be = Le calcul n’a pas pu se faire dans ce navigateur. Rechargez la page pour réessayer.
y-it-is-carried-out = Ce sera exécuté avec d’autres ; d’ici là, les listes restent telles quelles.
y-it-is-held-out = Il est réservé à la mesure. Votre shard change quand même : il est aussitôt mis de côté et réentraîné à partir de rien ; les autres restent.
y-it-is-held-out-2 = Il est réservé à la mesure ; jusqu’à trois shards changent donc. Ils sont aussitôt mis de côté et réentraînés.
y-it-takes = { $standing }. Cela prend { $about }.
y-it-was-stopped = Cela a été arrêté.
y-its-entry-is-in = Son entrée est dans le journal
y-keep = Garder
y-keep-it = Garder
y-keep-the-file-and = { $why } Gardez le fichier et prévenez l’exploitant.
y-keep-the-name-to = ). Gardez ce nom pour vous :
y-keeps-it = {" "}le garde,{" "}
y-keeps-models = Les modèles ({ $size }), tant que le serveur les liste ; { $rows ->
    [yes] vos lignes, enregistrements
   *[no] vos enregistrements
 } ou choix, jusqu’à ce que vous vous déconnectiez ou le vidiez. Sans réseau, les listes marchent jusqu’à { $until }.
y-kept-receipt = { $when } : { $what }, réentraînement : { $shards }
y-key = clé
y-keys = Touches
y-leaving-out-each-of = Chacun de vos enregistrements est retiré à son tour…
y-length-of-the-list = Longueur de la liste
y-listed = (les { $shown } premiers sont listés)
y-lists-are-computed-in = Les listes se calculent dans ce navigateur. Les choix et tableaux d’un visiteur n’en sortent jamais ; qui est connecté demande au serveur ce qui lui appartient. Exact ne veut pas dire secret : ce que quelqu’un a copié avant une suppression garde son influence.
y-lists-are-made-on = Les listes se font avec WebGPU, { $why }.
y-lists-are-made-on-2 = Les listes se font sur le CPU.
y-makes-this-comparison = {" "}fait cette comparaison pour elle.
y-mean = Moyenne
y-missing = { $n ->
    [one] { $n } nom n’est pas dans ce catalogue
   *[other] { $n } noms ne sont pas dans ce catalogue
 }
y-models-are-on-their = { $word } modèles sont en route.
y-models-picks-your-sign = Modèles, choix, votre connexion, vos reçus et la première clé vue quittent ce navigateur, dans tous ses onglets. On n’attend pas les reçus encore en route. Rien ne change sur le serveur.
y-more-drawn-not = { $list } autres : { $drawn } tirés, { $list2 } non
y-newest-first-what-you = Les plus récents d’abord : ce que vous avez fait en dernier compte le plus. Barre : son poids. Chaque modèle efface l’ancien à sa façon ; voici les poids du premier.
y-newest-first-what-you-2 = Les plus récents d’abord : ce que vous avez fait en dernier compte le plus. Barre : son poids.
y-no-byte-differs = pas un octet des modèles ne diffère
y-no-clean-model-is = Plus aucun modèle propre pour un instant.
y-no-model-knows-anybody = Aucun modèle ne connaît personne : des choix ou un tableau reçoivent la même liste qu’un compte avec les mêmes enregistrements.
y-no-models-now-they = Aucun modèle pour l’instant. Ils reviennent avec votre prochaine liste.
y-nobody-answers-for-a = Aucun service ne répond ici. L’exemple et le labo s’en passent.
y-nobody-is-signed-in = Personne n’est connecté ici. Le reçu reste dans ce navigateur jusqu’à ce que vous le jetiez.
y-nobody-is-signed-in-2 = Personne n’est connecté, il n’y a donc pas de liste.
y-none-column = aucune
y-none-of-your-records = Aucun de vos enregistrements ne le fait monter : la plupart l’aiment.
y-none-the-models-answer = Aucun : les modèles répondent tels quels.
y-not-forgotten-see-above = Pas oublié : voir plus haut
y-not-here-yet = pas encore ici
y-not-undone = C’est irrévocable.
y-noted-it-is-carried = Noté. Ce sera exécuté avec d’autres ; d’ici là, les listes restent telles quelles.
y-noted-it-will-be = Noté. Ce sera oublié.
y-noted-to-be-carried = Noté, sera exécuté avec d’autres
y-noted-your-account-will = Noté. Votre compte sera supprimé.
y-nothing = rien
y-nothing-here-says-when = Rien ici ne dit quand c’était ; tout a donc le même âge.
y-nothing-is-here-pick = Il n’y a rien ici. Choisissez quelques produits pour commencer.
y-nothing-it-has-no = Rien : il n’a pas de place, ou ne le permet pas. Les modèles sont téléchargés à chaque visite.
y-nothing-of-this-name = Rien de ce nom. Essayez un mot plus court.
y-nothing-of-yours-has = Rien de vous ne contient « { $find } » dans son nom.
y-nothing-this-page-came = Rien : cette page est venue par http simple, et les navigateurs ne gardent rien pour de telles pages. Demandez https à l’exploitant.
y-nothing-yet = Rien encore.
y-of = { $size } sur { $size2 }
y-of-equal = { $equal } sur { $count } égaux
y-on-a-purchase-asks = {" "}sur un achat demande s’il faut l’oublier,{" "}
y-on-the-graphics-device = Sur le processeur graphique en ce moment : les modèles de { $letters }.
y-on-the-saved-file = {" "}sur le fichier enregistré. Qu’il réponde bien à votre demande, seul son nom le montre, avec ce que vous avez demandé (
y-one-model-taught-by = un seul modèle, instruit par les enregistrements de tous
y-one-purchase-is-being = Un achat est en train d’être oublié, ici.
y-one-record-counts = Un enregistrement compte.
y-one-shards-list-took = La liste d’un shard a pris { $cpu } ms sur le CPU, { $gpu } ms avec WebGPU.
y-opens-this-list = {" "}ouvre cette liste.
y-or-open-what-another = Ou ouvrez ce qu’un autre service vous a donné : cela reste dans ce navigateur
y-or-pick-what-you = Ou choisissez ce que vous aimez : cela reste dans ce navigateur
y-others-alike = { $n } autres : { $share } % du poids
y-others-older = { $n } plus anciens : { $share } % du poids
y-out-of-the-mean = hors de la moyenne
y-over-records = sur { $recency } enregistrements
y-piece-damaged = abîmé
y-piece-epoch = époque { $epoch }/{ $epochs }
y-piece-retrained = réentraîné
y-piece-was = était v{ $was }, réentraîné
y-prefer-rare-purchases-1 = Préférer les achats rares (1/τ)
y-prefer-recent-purchases = Préférer les achats récents
y-progress = { $phase } : { $share } %
y-purchases-that-adapt = Achats qui adaptent
y-put-it-back = Le remettre
y-rank = Rang
y-rated-at-least = Noté au moins
y-rated-below = { $n ->
    [one] { $n } ligne était notée sous { $least }.
   *[other] { $n } lignes étaient notées sous { $least }.
 }
y-rating = Note
y-read = { $n ->
    [one] { $lines } : { $n } article est dans ce catalogue.
   *[other] { $lines } : { $n } articles sont dans ce catalogue.
 }
y-receipt = Reçu
y-receipt-n = Reçu { $number }
y-receipt-sr = reçu { $number }
y-receipts = Reçus
y-remove = Retirer
y-removed = retiré
y-reset = Réinitialiser
y-retrained = réentraîné
y-retrained-the-receipt-is = Réentraîné. Le reçu est en cours de vérification.
y-retrained-the-receipt-is-2 = Réentraîné ; le reçu est en cours de vérification
y-retraining-has-begun = Le réentraînement a commencé.
y-save-the-receipt = Enregistrer le reçu
y-saved-from-now-on = Enregistré. Désormais aucune liste ne l’utilise.
y-see-how-in-the = Voir comment dans le labo
y-see-the-receipt = Voir le reçu
y-sent = Envoyé…
y-shards-are-left-out = { $word } shards sont mis de côté jusqu’à leur réentraînement
y-show-all = Tout afficher
y-sign-in = Connexion
y-sign-out = Se déconnecter
y-signed-by-the-servers = Signé par la clé du serveur
y-single-keys-act = Les touches seules agissent
y-skip-to-your-list = Aller à votre liste
y-small-models-each-taught = { $word } petits modèles, chacun instruit par l’historique entier de quelques personnes
y-small-models-each-taught-2 = { $word } petits modèles, chacun instruit par une partie des enregistrements de tous
y-some-differ = certains modèles diffèrent, ce qui ne doit pas être
y-starting = Démarrage
y-step-fails = échec :
y-step-holds = vrai :
y-step-open = en suspens :
y-steps = Pas
y-switch-shards-off-in = Désactivez des shards dans le vitrail ci-dessus. Les réglages sont dans le lien ; rien sur vous n’y est.
y-switched-off = désactivé
y-taken-back-nothing-was = Annulé. Rien n’a été envoyé.
y-the-account = le compte
y-the-calculation-could-no = Le calcul n’a pas pu continuer dans ce navigateur. Rechargez la page pour recommencer.
y-the-download-is-the = Le téléchargement est le modèle dont il parle
y-the-households-list = La liste du foyer
y-the-model-is-on = Le modèle est en route.
y-the-models-are-here = Les modèles sont là.
y-the-most-popular-by = les plus populaires, d’après les classes publiées
y-the-new-model-is = Le nouveau modèle est mis en place.
y-the-newest = le plus récent
y-the-newest-2 = les { $n } plus récents
y-the-other-shards-are = Les autres shards sont inchangés
y-the-proof = La preuve
y-the-receipt-does-not = Le reçu n’est pas valable. { $why }
y-the-receipt-does-not-2 = Le reçu n’est pas valable
y-the-receipt-does-not-3 = Le reçu n’est pas valable.
y-the-receipt-is-on = Le reçu est en route.
y-the-receipt-was-checked = Le reçu a été vérifié de nouveau.
y-the-service-holds = Le service ne garde rien de ce que vous avez fait. D’ici là, votre liste est ce que la plupart aiment.
y-there-is-no-receipt = Il n’y a pas de reçu.
y-they-are-in-the = Ils sont dans les shards { $letters }, aussitôt mis de côté et réentraînés à partir de rien ; les autres restent.
y-they-stay-in-this = Ils restent dans ce navigateur, même après déconnexion, et ne disent ni qui ni quoi. Vérifiez-en un de nouveau pour l’enregistrer.
y-throw-away = Jeter
y-to = {" "}à{" "}
y-token = Jeton
y-token-ends = Votre jeton prend fin, lui aussi.
y-took = calculé ici en { $ms } ms
y-took-2 = durée
y-took-gpu = calculé ici en { $ms } ms, avec WebGPU
y-trained-anew-here = réentraîné, ici
y-trust-the-new-log = Faire confiance au nouveau journal
y-try-again = Réessayer
y-try-other-settings = Essayer d’autres réglages
y-unchanged = = inchangé
y-undo = Annuler
y-undo-takes-back = { $n ->
    [one] { $n } enregistrement sera oublié dans { $seconds } secondes. « Annuler » revient en arrière.
   *[other] { $n } enregistrements seront oubliés dans { $seconds } secondes. « Annuler » revient en arrière.
 }
y-waiting = { $n ->
    [one] { $what } sera oublié dans { $left } s.
   *[other] { $what } seront oubliés dans { $left } s.
 }
y-waiting-2 = en attente
y-waits = En attente…
y-webgpu-not-tried-yet = WebGPU pas encore essayé
y-what = Quoi
y-what-adapts-the-models = Ce qui adapte les modèles
y-what-the-household-bough = Ce que le foyer a acheté
y-what-this-browser-keeps = Ce que ce navigateur garde
y-whatever-somebody-delete = Ce que quelqu’un supprime disparaît aussi des modèles, comme s’il n’avait jamais existé. Voici la liste d’un foyer : faites oublier l’un de ses achats, et voyez quel modèle change, comment la liste bouge, et la preuve. Ou connectez-vous, ou choisissez quelques produits : alors il s’agit de vous.
y-when = Quand
y-which-device-computes = Quel appareil calcule
y-which-trains-from-scratc = , qui entraîne à partir de rien sur ce qui reste. Personne ne peut prouver qu’il n’existe pas de copie ailleurs.
y-whichever-is-faster = Le plus rapide
y-who-else-can-check = Qui d’autre peut le vérifier
y-whose-lines = Lignes de
y-whose-list = À qui est la liste ?
y-why = Pourquoi
y-without-it-it-would = sans lui, ce serait toujours la place { $place }.
y-without-it-it-would-2 = sans lui, ce serait la place { $place }.
y-your-account-is-gone = Votre compte n’existe plus.
y-your-account-is-gone-2 = Votre compte n’existe plus. Son modèle est neuf.
y-your-account-is-gone-3 = Votre compte n’existe plus. Les modèles sont neufs.
y-your-list = Votre liste
y-your-list-appears-here = Votre liste apparaît ici dès que les modèles sont là.
y-your-list-made-in = Votre liste, faite dans ce navigateur.
y-your-list-uses-it = Votre liste l’utilise aussitôt ; son shard l’apprend à son prochain entraînement
y-your-picks = Vos choix
y-your-purchases = Vos achats
y-your-receipts = Vos reçus
y-your-records-lie = { $n ->
    [one] Votre { $n } enregistrement se trouve { $fate }
   *[other] Vos { $n } enregistrements se trouvent { $fate }
 }
