about-minutes = about { $minutes } min { $seconds } s
about-second = about a second
about-seconds = about { $n } seconds
and-more = and { $more }
bar-left-out = { $label } left out
clock = { $time } on { $day }
day = day
days = { $n } days
household = Household { $name }
list-updated = { $n ->
    [one] List updated, { $n } place changed.
   *[other] List updated, { $n } places changed.
 }
number-words = none one two three four five six seven eight nine ten eleven twelve
off = off
p-places = Places
place-for-you = For you
place-lab = Lab
place-operate = Operate
quoted = ‘{ $name }’
shard = Shard
shard-mark = shard { $text }
time-number = time { $when }
language = Language
