about-minutes = environ { $minutes } min { $seconds } s
about-second = environ une seconde
about-seconds = environ { $n } secondes
and-more = et { $more }
bar-left-out = { $label } laissé de côté
clock = { $time } le { $day }
day = jour
days = { $n } jours
household = Foyer { $name }
list-updated = { $n ->
    [one] Liste mise à jour, { $n } place changée.
   *[other] Liste mise à jour, { $n } places changées.
 }
number-words = aucun un deux trois quatre cinq six sept huit neuf dix onze douze
off = non
p-places = Lieux
place-for-you = Pour vous
place-lab = Labo
place-operate = Exploitation
quoted = « { $name } »
shard = Shard
shard-mark = shard { $text }
time-number = temps { $when }
language = Langue
