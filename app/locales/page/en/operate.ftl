o-a-key-signs-from = A key signs from here on
o-a-person = A person
o-a-person-2 = a person
o-a-service-of-eight = A service of eight shards while two people’s deletions are on their way. Its figures are made up.
o-a-token-for-it = A token for { $user }. It is shown this once: copy it now.
o-accepted = { $n ->
    [one] { $n } deletion is accepted and not carried out yet: until then its records are used.
   *[other] { $n } deletions are accepted and not carried out yet: until then their records are used.
 }
o-administrator-leave = Administrator · leave
o-after = After
o-age = Age
o-all-shards-serve = All { $word } shards serve.
o-an-administrator = an administrator
o-an-entry-of-a = An entry of a later version
o-an-example-of-a = An example of a service
o-an-operator = an operator
o-an-operators-token = An operator’s token
o-and-more = And { $rest } more.
o-answer = Answer
o-answers = answers
o-answers-overtaken = answers overtaken
o-any = Any
o-asked-at = asked at { $at }, written { $later } later
o-backups-hold = What is deleted is in them until they are destroyed.
o-backups-that-are-out = Backups that are out
o-besides = { $n ->
    [one] Besides: { $n } token for people, who are not named here.
   *[other] Besides: { $n } tokens for people, who are not named here.
 }
o-carried-out = { $n ->
    [one] { $n } deletion is carried out: no answer uses its records.
   *[other] { $n } deletions are carried out: no answer uses their records.
 }
o-changes-wait = { $n ->
    [one] { $n } change waits before the writer.
   *[other] { $n } changes wait before the writer.
 }
o-close = Close
o-count = Count
o-days-empty-for-always = Days; empty for always
o-days-give-a-whole = Days: give a whole number, or leave the field empty. No token was made.
o-delete = Delete …
o-delete-2 = Delete
o-delete-all-records = Delete all records …
o-delete-everything-that-t = Delete everything that this person did? The account stays.
o-delete-item = Delete ‘{ $name }’ of this person?
o-delete-the-account = Delete the account …
o-delete-the-account-with = Delete the account, with every record and token?
o-delete-what = The shards that saw it are trained anew. This cannot be undone, and the audit log says that you asked.
o-deletions-acknowledged = Deletions acknowledged
o-deletions-in-the-last = Deletions in the last hour
o-deletions-without-a-rece = Deletions without a receipt
o-destroy-it-now = destroy it now
o-destroy-within = destroy within { $span }
o-do-all-admin = do all (admin)
o-due = Due
o-each-receipt-is-an = Each receipt is an entry, and so is each model that goes live. The page fetches all of them and checks that they give the root that the server signed.
o-entry = Entry { $number }
o-entry-2 = Entry
o-epoch = epoch { $epoch } of { $epochs }
o-example = Example
o-file = File
o-find = Find
o-for-more = for { $left } more
o-for-whoever-runs-eemu = For whoever runs eemu: which models serve, which deletions are on their way and until when, how fast and how good lists are, and the log of receipts, live. It shows shards and counts, and nobody’s records. A token shows your own service; below stands an example.
o-found-by-the-exact = Found by the exact identifier of the imported data. Nobody can be listed or searched for.
o-from-to = { $first } to { $last } of { $all }
o-hash = Hash
o-how-fast = How fast
o-how-good = How good
o-i-have-it = I have it
o-identifier = Identifier
o-in = in { $span }
o-in-the-since-it = In the { $span } since it began
o-it-names-tokens-and = It names tokens and kinds of questions; no person and no item.
o-keep = Keep
o-kind = Kind
o-kind-all = All entries
o-kind-keys = Keys
o-kind-published = Models published
o-kind-receipts = Receipts
o-last-thousand = Last thousand
o-late = { $n ->
    [one] { $n } deletion is late.
   *[other] { $n } deletions are late.
 }
o-late-by = late by { $span }
o-lists = Lists
o-lists-are-worse-than = Lists are worse than they were, by more than chance. Look which shards are out, and what was deleted or added since.
o-log-whole = { $n ->
    [one] The log is whole: { $n } entry was fetched, { $receipts } of them receipts, and gives the root that the server signed. Key { $key }…
   *[other] The log is whole: { $n } entries were fetched, { $receipts } of them receipts, and give the root that the server signed. Key { $key }…
 }
o-look = Look
o-look-again = Look again
o-look-operator = look (operator)
o-make-a-token = Make a token
o-make-a-token-for = Make a token for 30 days
o-makes-one = {" "}makes one;{" "}
o-makes-one-beside-the = {" "}makes one beside the running service.
o-many-retrain = { $word } retrain.
o-may = May
o-more-than-is-sustained = More than is sustained: receipts come later and later. Give more trainers, or collect for longer.
o-named-retrain = { $n ->
    [one] { $names } retrains.
   *[other] { $names } retrain.
 }
o-neither-the-log-nor = Neither the log nor the deletions on their way know this. Check the number or the name.
o-newer = Newer
o-no = No.
o-no-deletion-waits-for = No deletion waits for its receipt.
o-no-entry-fits = No entry fits.
o-no-receipt-yet = No receipt yet.
o-no-shard-serves = No shard serves.
o-no-shard-waits = No shard waits.
o-none = None. { $policy }
o-none-known = None is known.
o-not-measured-every = Not measured: every record trains, so none is left to judge by. Import with{" "}
o-of-shards-serve = { $n ->
    [one] { $word } of { $word2 } shards serves.
   *[other] { $word } of { $word2 } shards serve.
 }
o-of-sustained = { $asked } of { $sustained } sustained
o-old = { $age } old
o-older = Older
o-one-that-may-also = {" "}one that may also look for a person. It is kept for this visit only.
o-operator-leave = Operator · leave
o-out = out of the mean
o-out-collects = out, collects
o-out-collects-long = Out of the mean; collects changes
o-out-long = Out of the mean
o-out-publishes = publishes
o-out-publishes-long = Out of the mean; its model is put in place
o-out-retrains = retrains
o-out-retrains-long = Out of the mean; retrains
o-out-waits = out, waits
o-out-waits-long = Out of the mean; waits for a trainer
o-people = People
o-policy-by = Deletions are carried out together, each day by { $time } UTC; a receipt is due within 30 days of asking.
o-policy-once = Deletions are carried out before they are acknowledged; a receipt is due within 30 days of asking.
o-policy-within = Deletions are carried out together, within { $span }; a receipt is due within 30 days of asking.
o-published = Published
o-quality-of = { $n ->
    [one] Of { $n } person with held-out records, the same each time, measured { $ago } ago. The best since the service began: { $best }.
   *[other] Of { $n } people with held-out records, the same each time, measured { $ago } ago. The best since the service began: { $best }.
 }
o-receipt-next = The receipt comes next.
o-receipt-removed = { $n ->
    [one] Receipt: { $n } record removed
   *[other] Receipt: { $n } records removed
 }
o-receipts-in = Receipts in { $time }.
o-receipts-number-or-reque = Receipt’s number or request’s name
o-records = Records
o-records-added = records added
o-records-are-held-out = Records are held out; it is measured after the next training.
o-records-deleted = records deleted
o-request = Request
o-retrain-now = Retrain now
o-revoke = Revoke
o-said-accepted = Accepted: it is carried out together with others, by the time that stands above.
o-said-account = The account is gone: { $records }. { $retrain }.
o-said-deleted = Deleted: { $records }. { $retrain }.
o-said-name = The request’s name is { $request }: give it to whoever asked, with it they get the receipt.
o-said-nothing = Nothing was there to delete.
o-save-all-that-is = Save all that is kept
o-save-these-as-json = Save these as JSON Lines
o-see-a-service-forget = See a service forget.
o-server-faults = server faults
o-serving = serving
o-serving-changed = Serving; records changed
o-serving-collects = serving, collects
o-serving-collects-long = Serving; collects changes
o-serving-long = Serving
o-serving-publishes = serving, publishes
o-serving-publishes-long = Serving; its new model is put in place
o-serving-retrains = serving, retrains
o-serving-retrains-long = Serving; retrains
o-serving-waits = serving, waits
o-serving-waits-long = Serving; waits for a trainer
o-shard = Shard
o-shards = Shards
o-shards-retrain = { $n ->
    [one] { $n } shard retrains
   *[other] { $n } shards retrain
 }
o-shards-trained = shards trained
o-shards-would-begin-at = { $some } shards would begin at once.
o-show = Show
o-show-all = Show all { $count }
o-skip-to-the-service = Skip to the service
o-state = State
o-state-accepted = Accepted; its records are still used
o-state-collects = Held; its shards collect more
o-state-done = Held; the receipt comes next
o-state-publishes = Held; a new model is put in place
o-state-queued = Held; its shards wait for a trainer
o-state-retrains = Held; its shards retrain
o-the-log-does-not = The log does not hold: { $why }. Compare it with what others saw, and with a backup.
o-the-log-of-receipts = The log of receipts
o-the-service = The service
o-the-shard-serves = The shard serves.
o-times = { $n ->
    [one] { $n } time
   *[other] { $n } times
 }
o-to-measure = {" "}to measure.
o-token = Token
o-token-ended-whoever-hold = Token { $id } ended. Whoever holds it is turned away from now on.
o-token-sr = token { $id }
o-tokens = Tokens
o-took = Took
o-trained = Trained
o-trainings-failed = trainings failed
o-trainings-restarted = trainings restarted
o-until = until { $clock }
o-until-it-is-revoked = until it is revoked
o-version = Version
o-versions-are-numbered-ov = Versions are numbered over all shards in one row: from v6 to v13 is one training. ‘Trained’ counts.
o-waits-for = Waits for
o-what = What
o-when = When
o-who-asked-for-what = Who asked for what
o-would-begin-at-once = { $some } would begin at once.
o-written = Written
