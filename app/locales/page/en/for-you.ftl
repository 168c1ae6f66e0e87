y-a-demonstration-anybody = A demonstration: anybody may be one of these.
y-a-recommender-that-forge = A recommender that forgets exactly.
y-a-signed-statement-it = A signed statement; it does not say what was removed. The proof is{" "}
y-about-to-be-forgotten = About to be forgotten
y-adapts-all = All { $n } of your { $what ->
    [picks] picks
   *[records] records
 } adapt { $shards ->
    [one] it
   *[other] them
 }, here.
y-adapts-drawn = { $n ->
    [one] { $word } of yours adapts them all, here.
   *[other] { $word } of yours adapt them all, here.
 }
y-adapts-none = None of your { $what ->
    [picks] picks
   *[records] records
 } adapts { $shards ->
    [one] it
   *[other] them
 }.
y-adapts-one = One of your { $what ->
    [picks] picks
   *[records] records
 } adapts { $shards ->
    [one] it
   *[other] them
 }, here.
y-adapts-some = { $n } of your { $what ->
    [picks] picks
   *[records] records
 } adapt { $shards ->
    [one] it
   *[other] them
 }, here.
y-add = Add
y-add-something = Add something
y-after-forgetting-compute = after forgetting, computed here in { $millis } ms
y-all = all
y-all-count-alike-what = All count alike: what came when plays no part.
y-all-in-shard-a = All in shard { $shard }: a person’s records stay together.
y-all-models-that-may = All models that may answer are being retrained. Until then these are the most popular items.
y-already-left-out-of = Already left out of your list; { $shard } retrains, epoch { $epoch } of { $epochs }
y-already-left-out-of-2 = Already left out of your list
y-and-arrows-act-on = {" "}and arrows act on the pane where it has the focus,{" "}
y-anybody-can-run = Anybody can run{" "}
y-as = { $wrote } as { $name } ({ $sure } %)
y-as-computed-once-nativel = as computed once, natively
y-asked = asked
y-asking-the-server = Asking the server …
y-bad-lines = { $n ->
    [one] { $n } line was left out, as it cannot be read
   *[other] { $n } lines were left out, as they cannot be read
 }
y-bar-chance = chance { $share } %
y-bar-weight = weight { $share } %
y-can-be-read-in = “{ $wrote }” can be read in two ways, and no line decides. Which is it?
y-cancel = Cancel
y-check-again = Check again
y-checked-again-just-now = Checked again just now, against what the service publishes today.
y-checked-here = Checked here
y-checked-in-part = Checked in part
y-choose = Choose { $name }
y-choose-several = Choose several
y-close = Close
y-computed-in-this-browser = Computed in this browser just now. A service signs a receipt of each deletion, and{" "}
y-cost-one-shard = { $n ->
    [one] It is in shard { $letter }. { $letter } is left out at once and retrained from scratch; the others stay.
   *[other] They are in shard { $letter }. { $letter } is left out at once and retrained from scratch; the others stay.
 }
y-csv-tabs-json-or = CSV, tabs, JSON or JSON Lines, or a zip of one, such as Netflix, Goodreads, Letterboxd, Last.fm or Spotify export them.
y-day-or-month-first = Day or month first?
y-delete = Delete
y-delete-account-ask = Delete the account?
y-delete-the-account = Delete the account
y-delete-the-account-2 = Delete the account …
y-device = Device:
y-does-not-hold = Does not hold
y-does-not-hold-2 = {" "}does not hold
y-download-again = Download again
y-download-all-that-is = Download all that is kept about me
y-draw-again = Draw again
y-drawn = { $n } drawn by Eq 7. Bar: chance of the next draw. Tick: an even draw.
y-drawn-even = At this temperature Eq 7 is nearly even.
y-drawn-faded = { $n } drawn by Eq 7, older ones faded. Bar: chance of the next draw. Tick: an even draw.
y-eight-models-are-trained = Eight models are trained here, one is trained again without it, and a twin world that never had it is trained beside them.
y-emptied-this-browser-kee = Emptied. This browser keeps nothing now.
y-empty-it = Empty it …
y-empty-it-2 = Empty it
y-empty-what-this-browser = Empty what this browser keeps?
y-entry = entry { $number }
y-esc = Esc
y-example = Example
y-fate-some = in { $some } of { $all } shards. { $first } are left out at once and retrained from scratch; the others stay.
y-fetching = Fetching: { $now }%.
y-fetching-models = Fetching models
y-fetching-the-models = Fetching the models, { $size }.
y-file-read = { $n ->
    [one] The file was read: { $n } item of it is in this catalogue.
   *[other] The file was read: { $n } items of it are in this catalogue.
 }
y-find-a-product = Find a product
y-find-a-purchase = Find a purchase
y-forget = Forget { $count } …
y-forget-2 = Forget
y-forget-3 = Forget { $what }?
y-forget-4 = Forget { $what }? { $cost }
y-forget-all-ask = Forget everything?
y-forget-everything = Forget everything
y-forget-everything-2 = Forget everything …
y-forget-now = Forget now
y-forget-something-and-its = Forget something, and its receipt is checked here: signature, place in the log, whether it answers what you asked, your download, the other shards.
y-forgetting = Forgetting ‘{ $name }’
y-forgetting-here = Forgetting ‘{ $name }’, here.
y-forgotten = { $n ->
    [0] Forgotten. No model rebuilt, { $still } untouched.
    [one] Forgotten. { $again } model rebuilt, { $still } untouched.
   *[other] Forgotten. { $again } models rebuilt, { $still } untouched.
 }
y-forgotten-2 = Forgotten
y-forgotten-and-proved-in = Forgotten, and proved, in this browser.
y-forgotten-of-models-are = Forgotten. { $equal } of { $twin } models are equal to those that never knew it.
y-forgotten-the-model-is = Forgotten. The model is rebuilt.
y-forgotten-the-receipt-wa = Forgotten. The receipt was checked.
y-guessed = { $n ->
    [one] { $n } name was guessed
   *[other] { $n } names were guessed
 }
y-half-the-download-rounde = Half the download, rounded: scores move a little
y-how-much-of-what = How much of what you did counts
y-in-all-shards-all = in all { $all } shards. All { $all } retrain from scratch; until then lists are the most popular items.
y-in-no-shard-nothing = in no shard: nothing retrains.
y-in-shard-alone-is = { $n ->
    [one] in shard { $letter } alone. { $letter } is left out at once and retrained from scratch; the other one stays.
   *[other] in shard { $letter } alone. { $letter } is left out at once and retrained from scratch; the other { $word } stay.
 }
y-in-the-mean = in the mean
y-in-the-only-shard = in the only shard. It retrains from scratch; until then lists are the most popular items.
y-inner-step = Inner step
y-inner-step-against-the = Inner step, against the learned one
y-is-back = { $shard } is back
y-is-being-added = { $name } is being added.
y-is-being-put-in = { $shard } is being put in place
y-is-forgotten-only-had = ‘{ $name }’ is forgotten. Only { $letters } had seen it and was trained anew, { $word } stayed. Then a twin world that never had it was trained from nothing: { $result }.
y-is-here = {" "}{ $name } is here
y-is-left-out-and = { $shard } is left out and waits to be retrained
y-is-retraining-epoch-of = { $shard } is retraining: epoch { $epoch } of { $epochs }
y-it-answers-what-was = It answers what was asked for
y-it-comes-from = It comes from { $models }. { $adapted }
y-it-comes-when-the = It comes when the last shard is back, and is checked here.
y-it-could-not-be = It could not be computed in this browser. Reload the page to try again.
y-it-is-carried-out = It is carried out together with others; until then lists stay as they are.
y-it-is-held-out = It is held out for measuring. Your shard changes all the same: it is left out at once and retrained from scratch; the others stay.
y-it-is-held-out-2 = It is held out for measuring, so up to three shards change. They are left out at once and retrained.
y-it-takes = { $standing }. It takes { $about }.
y-it-was-stopped = It was stopped.
y-its-entry-is-in = Its entry is in the log
y-keep = Keep
y-keep-it = Keep it
y-keep-the-file-and = { $why } Keep the file and tell the operator.
y-keep-the-name-to = ). Keep the name to yourself:
y-keeps-it = {" "}keeps it,{" "}
y-keeps-models = Models ({ $size }), until the server no longer lists them; your{ $rows ->
    [yes] {" "}rows,
   *[no] {""}
 } records or picks until you sign out or empty it. Without a network lists work until { $until }.
y-kept-receipt = { $when }: { $what }, { $shards } retrained
y-key = key
y-keys = Keys
y-leaving-out-each-of = Leaving out each of your records …
y-length-of-the-list = Length of the list
y-listed = (the first { $shown } are listed)
y-lists-are-computed-in = Lists are computed in this browser. A visitor’s picks and tables never leave it; who is signed in asks the server for what is theirs. Exactness is not secrecy: what somebody copied before a deletion keeps its influence.
y-lists-are-made-on = Lists are made on WebGPU, { $why }.
y-lists-are-made-on-2 = Lists are made on the CPU.
y-makes-this-comparison = {" "}makes this comparison for it.
y-mean = Mean
y-missing = { $n ->
    [one] { $n } name is not in this catalogue
   *[other] { $n } names are not in this catalogue
 }
y-models-are-on-their = { $word } models are on their way.
y-models-picks-your-sign = Models, picks, your sign-in, your receipts and the key seen first go from this browser, in all its tabs. Receipts still on their way are not waited for. Nothing changes on the server.
y-more-drawn-not = { $list } more: { $drawn } drawn, { $list2 } not
y-newest-first-what-you = Newest first: what you did last counts most. Bar: its weight. Each model fades older records in its own way; these are the weights in the first.
y-newest-first-what-you-2 = Newest first: what you did last counts most. Bar: its weight.
y-no-byte-differs = not one byte of the models differs
y-no-clean-model-is = No clean model is left for a moment.
y-no-model-knows-anybody = No model knows anybody: picks or a table get the list that an account with the same records gets.
y-no-models-now-they = No models now. They come again with your next list.
y-nobody-answers-for-a = Nobody answers for a service here. The example and the Lab work without one.
y-nobody-is-signed-in = Nobody is signed in here. The receipt stays in this browser until you throw it away.
y-nobody-is-signed-in-2 = Nobody is signed in, so there is no list.
y-none-column = none
y-none-of-your-records = None of your records lifts it: most people like it.
y-none-the-models-answer = None: the models answer as they are.
y-not-forgotten-see-above = Not forgotten: see above
y-not-here-yet = not here yet
y-not-undone = This cannot be undone.
y-noted-it-is-carried = Noted. It is carried out together with others; until then lists stay as they are.
y-noted-it-will-be = Noted. It will be forgotten.
y-noted-to-be-carried = Noted, to be carried out with others
y-noted-your-account-will = Noted. Your account will go.
y-nothing = nothing
y-nothing-here-says-when = Nothing here says when it was, so all are of one age.
y-nothing-is-here-pick = Nothing is here. Pick a few products to begin.
y-nothing-it-has-no = Nothing: it has no room, or allows none. Models are downloaded each visit.
y-nothing-of-this-name = Nothing of this name. Try a shorter word.
y-nothing-of-yours-has = Nothing of yours has ‘{ $find }’ in its name.
y-nothing-this-page-came = Nothing: this page came over plain http, and browsers keep nothing for such pages. Ask the operator for https.
y-nothing-yet = Nothing yet.
y-of = { $size } of { $size2 }
y-of-equal = { $equal } of { $count } equal
y-on-a-purchase-asks = {" "}on a purchase asks to forget it,{" "}
y-on-the-graphics-device = On the graphics device now: the models of { $letters }.
y-on-the-saved-file = {" "}on the saved file. That it is the answer to your very request, only its name shows, with what you asked for (
y-one-model-taught-by = one model, taught by everybody’s records
y-one-purchase-is-being = One purchase is being forgotten, here.
y-one-record-counts = One record counts.
y-one-shards-list-took = One shard’s list took { $cpu } ms on the CPU, { $gpu } ms on WebGPU.
y-opens-this-list = {" "}opens this list.
y-or-open-what-another = Or open what another service gave you: it stays in this browser
y-or-pick-what-you = Or pick what you like: it stays in this browser
y-others-alike = { $n } more: { $share } % of the weight
y-others-older = { $n } older more: { $share } % of the weight
y-out-of-the-mean = out of the mean
y-over-records = over { $recency } records
y-piece-damaged = damaged
y-piece-epoch = epoch { $epoch }/{ $epochs }
y-piece-retrained = retrained
y-piece-was = was v{ $was }, retrained
y-prefer-rare-purchases-1 = Prefer rare purchases (1/τ)
y-prefer-recent-purchases = Prefer recent purchases
y-progress = { $phase }: { $share } %
y-purchases-that-adapt = Purchases that adapt
y-put-it-back = Put it back
y-rank = Rank
y-rated-at-least = Rated at least
y-rated-below = { $n ->
    [one] { $n } line was rated below { $least }.
   *[other] { $n } lines were rated below { $least }.
 }
y-rating = Rating
y-read = { $n ->
    [one] { $lines } read: { $n } item is in this catalogue.
   *[other] { $lines } read: { $n } items are in this catalogue.
 }
y-receipt = Receipt
y-receipt-n = Receipt { $number }
y-receipt-sr = receipt { $number }
y-receipts = Receipts
y-remove = Remove
y-removed = removed
y-reset = Reset
y-retrained = retrained
y-retrained-the-receipt-is = Retrained. The receipt is being checked.
y-retrained-the-receipt-is-2 = Retrained; the receipt is being checked
y-retraining-has-begun = Retraining has begun.
y-save-the-receipt = Save the receipt
y-saved-from-now-on = Saved. From now on no list uses it.
y-see-how-in-the = See how in the Lab
y-see-the-receipt = See the receipt
y-sent = Sent …
y-shards-are-left-out = { $word } shards are left out until they are retrained
y-show-all = Show all
y-sign-in = Sign in
y-sign-out = Sign out
y-signed-by-the-servers = Signed by the server’s key
y-single-keys-act = Single keys act
y-skip-to-your-list = Skip to your list
y-small-models-each-taught = { $word } small models, each taught by some people’s whole histories
y-small-models-each-taught-2 = { $word } small models, each taught by a part of everybody’s records
y-some-differ = some models differ, which must not be
y-starting = Starting
y-step-fails = fails:
y-step-holds = holds:
y-step-open = open:
y-steps = Steps
y-switch-shards-off-in = Switch shards off in the pane above. The settings are in the link; nothing about you is.
y-switched-off = switched off
y-taken-back-nothing-was = Taken back. Nothing was sent.
y-the-account = the account
y-the-calculation-could-no = The calculation could not go on in this browser. Reload the page to start it again.
y-the-download-is-the = The download is the model it speaks of
y-the-households-list = The household’s list
y-the-model-is-on = The model is on its way.
y-the-models-are-here = The models are here.
y-the-most-popular-by = the most popular, by published classes
y-the-new-model-is = The new model is put in place.
y-the-newest = the newest
y-the-newest-2 = the newest { $n }
y-the-other-shards-are = The other shards are unchanged
y-the-proof = The proof
y-the-receipt-does-not = The receipt does not hold. { $why }
y-the-receipt-does-not-2 = The receipt does not hold
y-the-receipt-does-not-3 = The receipt does not hold.
y-the-receipt-is-on = The receipt is on its way.
y-the-receipt-was-checked = The receipt was checked again.
y-the-service-holds = The service holds nothing that you did. Your list is what most people like, until it does.
y-there-is-no-receipt = There is no receipt.
y-they-are-in-the = They are in the shards { $letters }, which are left out at once and retrained from scratch; the others stay.
y-they-stay-in-this = They stay in this browser, also after signing out, and say neither who nor what. Check one again to save it.
y-throw-away = Throw away
y-to = {" "}to{" "}
y-token = Token
y-token-ends = Your token ends, too.
y-took = computed here in { $ms } ms
y-took-2 = took
y-took-gpu = computed here in { $ms } ms, on WebGPU
y-trained-anew-here = trained anew, here
y-trust-the-new-log = Trust the new log
y-try-again = Try again
y-try-other-settings = Try other settings
y-unchanged = = unchanged
y-undo = Undo
y-undo-takes-back = { $n ->
    [one] { $n } record will be forgotten in { $seconds } seconds. Undo takes it back.
   *[other] { $n } records will be forgotten in { $seconds } seconds. Undo takes it back.
 }
y-waiting = { $n ->
    [one] { $what } will be forgotten in { $left } s.
   *[other] { $what } will be forgotten in { $left } s.
 }
y-waiting-2 = waiting
y-waits = Waits …
y-webgpu-not-tried-yet = WebGPU not tried yet
y-what = What
y-what-adapts-the-models = What adapts the models
y-what-the-household-bough = What the household bought
y-what-this-browser-keeps = What this browser keeps
y-whatever-somebody-delete = Whatever somebody deletes is gone from the models too, as if it had never been there. This is one household’s list: forget one of its purchases and see which model changes, how the list moves, and the proof. Or sign in, or pick a few products: then it is about you.
y-when = When
y-which-device-computes = Which device computes
y-which-trains-from-scratc = , which trains from scratch on what is left. Nobody can prove that no copy exists elsewhere.
y-whichever-is-faster = Whichever is faster
y-who-else-can-check = Who else can check it
y-whose-lines = Whose lines
y-whose-list = Whose list?
y-why = Why
y-without-it-it-would = without it, it would still be { $place }.
y-without-it-it-would-2 = without it, it would be { $place }.
y-your-account-is-gone = Your account is gone.
y-your-account-is-gone-2 = Your account is gone. Its model is new.
y-your-account-is-gone-3 = Your account is gone. The models are new.
y-your-list = Your list
y-your-list-appears-here = Your list appears here as soon as the models are.
y-your-list-made-in = Your list, made in this browser.
y-your-list-uses-it = Your list uses it at once; its shard learns it with its next training
y-your-picks = Your picks
y-your-purchases = Your purchases
y-your-receipts = Your receipts
y-your-records-lie = { $n ->
    [one] Your { $n } record lies { $fate }
   *[other] Your { $n } records lie { $fate }
 }
