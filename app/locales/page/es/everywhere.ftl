about-minutes = unos { $minutes } min { $seconds } s
about-second = cerca de un segundo
about-seconds = unos { $n } segundos
and-more = y { $more }
bar-left-out = { $label } fuera
clock = { $time } del { $day }
day = día
days = { $n } días
household = Hogar { $name }
list-updated = { $n ->
    [one] Lista actualizada, { $n } puesto cambiado.
   *[other] Lista actualizada, { $n } puestos cambiados.
 }
number-words = ninguno uno dos tres cuatro cinco seis siete ocho nueve diez once doce
off = no
p-places = Lugares
place-for-you = Para usted
place-lab = Laboratorio
place-operate = Operación
quoted = «{ $name }»
shard = Shard
shard-mark = shard { $text }
time-number = tiempo { $when }
language = Idioma
