about-minutes = etwa { $minutes } min { $seconds } s
about-second = etwa eine Sekunde
about-seconds = etwa { $n } Sekunden
and-more = und { $more }
bar-left-out = { $label } ausgelassen
clock = { $time } Uhr am { $day }
day = Tag
days = { $n } Tage
household = Haushalt { $name }
list-updated = { $n ->
    [one] Liste neu, { $n } Platz geändert.
   *[other] Liste neu, { $n } Plätze geändert.
 }
number-words = keiner ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf
off = aus
p-places = Orte
place-for-you = Für Sie
place-lab = Labor
place-operate = Betrieb
quoted = „{ $name }“
shard = Shard
shard-mark = Shard { $text }
time-number = Zeit { $when }
language = Sprache
