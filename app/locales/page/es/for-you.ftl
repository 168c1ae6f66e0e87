y-a-demonstration-anybody = Una demostración: cualquiera puede entrar como uno de estos hogares.
y-a-recommender-that-forge = Recomendaciones con olvido exacto.
y-a-signed-statement-it = Una declaración firmada; no dice qué se quitó. La prueba es{" "}
y-about-to-be-forgotten = A punto de olvidarse
y-adapts-all = Todos sus { $n } { $what ->
    [picks] productos elegidos
   *[records] registros
 } { $shards ->
    [one] lo adaptan
   *[other] los adaptan
 }, aquí.
y-adapts-drawn = { $n ->
    [0] Ninguna de sus compras los adapta.
    [one] Una de sus compras los adapta a todos, aquí.
   *[other] { $word } de sus compras los adaptan a todos, aquí.
 }
y-adapts-none = Ninguno de { $what ->
    [picks] sus productos elegidos
   *[records] sus registros
 } { $shards ->
    [one] lo adapta
   *[other] los adapta
 }.
y-adapts-one = Uno de { $what ->
    [picks] sus productos elegidos
   *[records] sus registros
 } { $shards ->
    [one] lo adapta
   *[other] los adapta
 }, aquí.
y-adapts-some = { $n } de { $what ->
    [picks] sus productos elegidos
   *[records] sus registros
 } { $shards ->
    [one] lo adaptan
   *[other] los adaptan
 }, aquí.
y-add = Añadir:
y-add-something = Añadir algo
y-after-forgetting-compute = tras olvidar, calculada aquí en { $millis } ms
y-all = todo
y-all-count-alike-what = Todos cuentan igual: cuándo vino cada uno no importa.
y-all-in-shard-a = Todo en el shard { $shard }: los registros de una persona quedan juntos.
y-all-models-that-may = Todos los modelos que pueden responder se están reentrenando. Hasta entonces, estos son los artículos más populares.
y-already-left-out-of = Ya fuera de su lista; { $shard } se reentrena, época { $epoch } de { $epochs }
y-already-left-out-of-2 = Ya fuera de su lista
y-and-arrows-act-on = {" "}y las flechas actúan sobre la vidriera cuando tiene el foco,{" "}
y-anybody-can-run = Cualquiera puede ejecutar{" "}
y-as = { $wrote } como { $name } ({ $sure } %)
y-as-computed-once-nativel = calculada una vez, fuera del navegador
y-asked = pedido
y-asking-the-server = Preguntando al servidor…
y-bad-lines = { $n ->
    [one] { $n } línea se dejó fuera, por ilegible
   *[other] { $n } líneas se dejaron fuera, por ilegibles
 }
y-bar-chance = probabilidad { $share } %
y-bar-weight = peso { $share } %
y-can-be-read-in = «{ $wrote }» puede leerse de dos maneras, y ninguna línea lo decide. ¿Cuál es?
y-cancel = Cancelar
y-check-again = Comprobar otra vez
y-checked-again-just-now = Comprobado otra vez ahora mismo, con lo que el servicio publica hoy.
y-checked-here = Comprobado aquí
y-checked-in-part = Comprobado en parte
y-choose = Elegir { $name }
y-choose-several = Elegir varios
y-close = Cerrar
y-computed-in-this-browser = Calculado en este navegador ahora mismo. Un servicio firma un recibo de cada borrado, y{" "}
y-cost-one-shard = { $n ->
    [one] Está en el shard { $letter }. { $letter } se aparta de inmediato y se reentrena desde cero; los demás quedan.
   *[other] Están en el shard { $letter }. { $letter } se aparta de inmediato y se reentrena desde cero; los demás quedan.
 }
y-csv-tabs-json-or = CSV, tabuladores, JSON o JSON Lines, o un zip de eso, como los exportan Netflix, Goodreads, Letterboxd, Last.fm o Spotify.
y-day-or-month-first = ¿Primero el día o el mes?
y-delete = Supr
y-delete-account-ask = ¿Borrar la cuenta?
y-delete-the-account = Borrar la cuenta
y-delete-the-account-2 = Borrar la cuenta…
y-device = Dispositivo:
y-does-not-hold = No es válido
y-does-not-hold-2 = {" "}no es válido
y-download-again = Descargar otra vez
y-download-all-that-is = Descargar todo lo que se guarda sobre mí
y-draw-again = Sortear otra vez
y-drawn = { $n } sorteados por la ec. 7. Barra: probabilidad en el próximo sorteo. Marca: un sorteo uniforme.
y-drawn-even = A esta temperatura la ec. 7 es casi uniforme.
y-drawn-faded = { $n } sorteados por la ec. 7, los antiguos se desvanecen. Barra: probabilidad en el próximo sorteo. Marca: un sorteo uniforme.
y-eight-models-are-trained = Aquí se entrenan ocho modelos, uno se reentrena sin la compra, y al lado se entrena un mundo gemelo que nunca la tuvo.
y-emptied-this-browser-kee = Vaciado. Este navegador ya no guarda nada.
y-empty-it = Vaciar…
y-empty-it-2 = Vaciar
y-empty-what-this-browser = ¿Vaciar lo que guarda este navegador?
y-entry = entrada { $number }
y-esc = Esc
y-example = Ejemplo
y-fate-some = en { $some } de { $all } shards. { $first } se apartan de inmediato y se reentrenan desde cero; los demás quedan.
y-fetching = Descargando: { $now } %.
y-fetching-models = Descargando modelos
y-fetching-the-models = Descargando los modelos, { $size }.
y-file-read = { $n ->
    [one] Archivo leído: { $n } artículo suyo está en este catálogo.
   *[other] Archivo leído: { $n } artículos suyos están en este catálogo.
 }
y-find-a-product = Buscar un producto
y-find-a-purchase = Buscar una compra
y-forget = Olvidar { $count }…
y-forget-2 = Olvidar
y-forget-3 = ¿Olvidar { $what }?
y-forget-4 = ¿Olvidar { $what }? { $cost }
y-forget-all-ask = ¿Olvidarlo todo?
y-forget-everything = Olvidarlo todo
y-forget-everything-2 = Olvidarlo todo…
y-forget-now = Olvidar ahora
y-forget-something-and-its = Haga olvidar algo, y su recibo se comprueba aquí: firma, lugar en la bitácora, si responde a lo que pidió, su descarga, los demás shards.
y-forgetting = Olvidando «{ $name }»
y-forgetting-here = Olvidando «{ $name }», aquí.
y-forgotten = { $n ->
    [0] Olvidado. Ningún modelo rehecho; intactos: { $still }.
    [one] Olvidado. Un modelo rehecho, { $still } intactos.
   *[other] Olvidado. { $again } modelos rehechos; intactos: { $still }.
 }
y-forgotten-2 = Olvidado
y-forgotten-and-proved-in = Olvidado, y demostrado, en este navegador.
y-forgotten-of-models-are = Olvidado. { $equal } de { $twin } modelos son iguales a los que nunca lo conocieron.
y-forgotten-the-model-is = Olvidado. El modelo se rehízo.
y-forgotten-the-receipt-wa = Olvidado. El recibo se comprobó.
y-guessed = { $n ->
    [one] { $n } nombre se adivinó
   *[other] { $n } nombres se adivinaron
 }
y-half-the-download-rounde = La mitad de la descarga, redondeada: los valores varían un poco
y-how-much-of-what = Cuánto cuenta de lo que hizo
y-in-all-shards-all = en los { $all } shards. Los { $all } se reentrenan desde cero; hasta entonces las listas son los artículos más populares.
y-in-no-shard-nothing = en ningún shard: no se reentrena nada.
y-in-shard-alone-is = { $n ->
    [one] solo en el shard { $letter }. { $letter } se aparta de inmediato y se reentrena desde cero; el otro queda.
   *[other] solo en el shard { $letter }. { $letter } se aparta de inmediato y se reentrena desde cero; los otros { $word } quedan.
 }
y-in-the-mean = en la media
y-in-the-only-shard = en el único shard. Se reentrena desde cero; hasta entonces las listas son los artículos más populares.
y-inner-step = Paso interno
y-inner-step-against-the = Paso interno, frente al aprendido
y-is-back = { $shard } ha vuelto
y-is-being-added = Se está añadiendo { $name }.
y-is-being-put-in = { $shard } se está colocando
y-is-forgotten-only-had = «{ $name }» está olvidado. Solo { $letters } lo había visto y se reentrenó, { $word } quedaron. Después un mundo gemelo que nunca lo tuvo se entrenó desde cero: { $result }.
y-is-here = {" "}está aquí { $name }
y-is-left-out-and = { $shard } se aparta y espera su reentrenamiento
y-is-retraining-epoch-of = { $shard } se reentrena: época { $epoch } de { $epochs }
y-it-answers-what-was = Responde a lo que se pidió
y-it-comes-from = Viene de { $models }. { $adapted }
y-it-comes-when-the = Llega cuando vuelve el último shard, y se comprueba aquí.
y-it-could-not-be = No se pudo calcular en este navegador. Recargue la página para intentarlo de nuevo.
y-it-is-carried-out = Se llevará a cabo junto con otros; hasta entonces las listas quedan como están.
y-it-is-held-out = Está reservado para medir. Su shard cambia de todos modos: se aparta de inmediato y se reentrena desde cero; los demás quedan.
y-it-is-held-out-2 = Está reservado para medir, así que cambian hasta tres shards. Se apartan de inmediato y se reentrenan.
y-it-takes = { $standing }. Tarda { $about }.
y-it-was-stopped = Se detuvo.
y-its-entry-is-in = Su entrada está en la bitácora
y-keep = Conservar
y-keep-it = Conservar
y-keep-the-file-and = { $why } Guarde el archivo y avise al operador.
y-keep-the-name-to = ). Guarde el nombre para usted:
y-keeps-it = {" "}la conserva,{" "}
y-keeps-models = Modelos ({ $size }), mientras el servidor los liste; { $rows ->
    [yes] sus filas, registros
   *[no] sus registros
 } o elecciones, hasta que cierre sesión o lo vacíe. Sin red las listas funcionan hasta las { $until }.
y-kept-receipt = { $when }: { $what }, reentrenamiento: { $shards }
y-key = clave
y-keys = Teclas
y-leaving-out-each-of = Se deja fuera cada uno de sus registros…
y-length-of-the-list = Longitud de la lista
y-listed = (se muestran los primeros { $shown })
y-lists-are-computed-in = Las listas se calculan en este navegador. Las elecciones y tablas de un visitante nunca salen de él; quien tiene sesión pide al servidor lo suyo. Exacto no quiere decir secreto: lo que alguien copió antes de un borrado conserva su influencia.
y-lists-are-made-on = Las listas se hacen con WebGPU, { $why }.
y-lists-are-made-on-2 = Las listas se hacen en la CPU.
y-makes-this-comparison = {" "}hace esta comparación para ello.
y-mean = Media
y-missing = { $n ->
    [one] { $n } nombre no está en este catálogo
   *[other] { $n } nombres no están en este catálogo
 }
y-models-are-on-their = { $word } modelos están en camino.
y-models-picks-your-sign = Modelos, elecciones, su sesión, sus recibos y la primera clave vista salen de este navegador, en todas sus pestañas. No se espera a los recibos en camino. En el servidor no cambia nada.
y-more-drawn-not = { $list } más: { $drawn } sorteados, { $list2 } no
y-newest-first-what-you = Lo más nuevo primero: lo último que hizo cuenta más. Barra: su peso. Cada modelo desvanece lo antiguo a su manera; estos son los pesos del primero.
y-newest-first-what-you-2 = Lo más nuevo primero: lo último que hizo cuenta más. Barra: su peso.
y-no-byte-differs = ni un byte de los modelos difiere
y-no-clean-model-is = Por un momento no queda ningún modelo limpio.
y-no-model-knows-anybody = Ningún modelo conoce a nadie: elecciones o una tabla reciben la misma lista que una cuenta con los mismos registros.
y-no-models-now-they = Ahora ningún modelo. Vuelven con su próxima lista.
y-nobody-answers-for-a = Aquí no responde ningún servicio. El ejemplo y el laboratorio funcionan sin él.
y-nobody-is-signed-in = Aquí no hay nadie con sesión. El recibo queda en este navegador hasta que usted lo tire.
y-nobody-is-signed-in-2 = No hay nadie con sesión, así que no hay lista.
y-none-column = ninguna
y-none-of-your-records = Ninguno de sus registros lo sube: gusta a la mayoría.
y-none-the-models-answer = Ninguno: los modelos responden como son.
y-not-forgotten-see-above = No olvidado: véase arriba
y-not-here-yet = aún no está aquí
y-not-undone = Esto no se puede deshacer.
y-noted-it-is-carried = Anotado. Se llevará a cabo junto con otros; hasta entonces las listas quedan como están.
y-noted-it-will-be = Anotado. Se olvidará.
y-noted-to-be-carried = Anotado, se hará junto con otros
y-noted-your-account-will = Anotado. Su cuenta se borrará.
y-nothing = nada
y-nothing-here-says-when = Nada aquí dice cuándo fue, así que todo tiene la misma edad.
y-nothing-is-here-pick = Aquí no hay nada. Elija unos productos para empezar.
y-nothing-it-has-no = Nada: no tiene espacio, o no lo permite. Los modelos se descargan en cada visita.
y-nothing-of-this-name = Nada con ese nombre. Pruebe una palabra más corta.
y-nothing-of-yours-has = Nada suyo tiene «{ $find }» en su nombre.
y-nothing-this-page-came = Nada: esta página llegó por http simple, y los navegadores no guardan nada de tales páginas. Pida https al operador.
y-nothing-yet = Nada aún.
y-of = { $size } de { $size2 }
y-of-equal = { $equal } de { $count } iguales
y-on-a-purchase-asks = {" "}sobre una compra pregunta si se olvida,{" "}
y-on-the-graphics-device = Ahora en el procesador gráfico: los modelos de { $letters }.
y-on-the-saved-file = {" "}con el archivo guardado. Que es la respuesta a su propia solicitud solo lo muestra su nombre, junto con lo que pidió (
y-one-model-taught-by = un solo modelo, enseñado con los registros de todos
y-one-purchase-is-being = Se está olvidando una compra, aquí.
y-one-record-counts = Cuenta un registro.
y-one-shards-list-took = La lista de un shard tardó { $cpu } ms en la CPU, { $gpu } ms con WebGPU.
y-opens-this-list = {" "}abre esta lista.
y-or-open-what-another = O abra lo que le dio otro servicio: queda en este navegador
y-or-pick-what-you = O elija lo que le guste: queda en este navegador
y-others-alike = { $n } más: { $share } % del peso
y-others-older = { $n } más antiguos: { $share } % del peso
y-out-of-the-mean = fuera de la media
y-over-records = sobre { $recency } registros
y-piece-damaged = dañado
y-piece-epoch = época { $epoch }/{ $epochs }
y-piece-retrained = reentrenado
y-piece-was = era v{ $was }, reentrenado
y-prefer-rare-purchases-1 = Preferir compras raras (1/τ)
y-prefer-recent-purchases = Preferir compras recientes
y-progress = { $phase }: { $share } %
y-purchases-that-adapt = Compras que adaptan
y-put-it-back = Devolverla
y-rank = Puesto
y-rated-at-least = Valorado al menos con
y-rated-below = { $n ->
    [one] { $n } línea tenía menos de { $least }.
   *[other] { $n } líneas tenían menos de { $least }.
 }
y-rating = Valoración
y-read = { $n ->
    [one] { $lines }: { $n } artículo está en este catálogo.
   *[other] { $lines }: { $n } artículos están en este catálogo.
 }
y-receipt = Recibo
y-receipt-n = Recibo { $number }
y-receipt-sr = recibo { $number }
y-receipts = Recibos
y-remove = Quitar
y-removed = quitado
y-reset = Restablecer
y-retrained = reentrenado
y-retrained-the-receipt-is = Reentrenado. Se está comprobando el recibo.
y-retrained-the-receipt-is-2 = Reentrenado; se está comprobando el recibo
y-retraining-has-begun = El reentrenamiento ha comenzado.
y-save-the-receipt = Guardar el recibo
y-saved-from-now-on = Guardado. Desde ahora ninguna lista lo usa.
y-see-how-in-the = Ver cómo en el laboratorio
y-see-the-receipt = Ver el recibo
y-sent = Enviado…
y-shards-are-left-out = { $word } shards se apartan hasta que se reentrenen
y-show-all = Mostrar todo
y-sign-in = Entrar
y-sign-out = Cerrar sesión
y-signed-by-the-servers = Firmado con la clave del servidor
y-single-keys-act = Las teclas sueltas actúan
y-skip-to-your-list = Saltar a su lista
y-small-models-each-taught = { $word } modelos pequeños, cada uno enseñado con los historiales enteros de algunas personas
y-small-models-each-taught-2 = { $word } modelos pequeños, cada uno enseñado con una parte de los registros de todos
y-some-differ = algunos modelos difieren, lo que no debe ser
y-starting = Empezando
y-step-fails = falla:
y-step-holds = cierto:
y-step-open = pendiente:
y-steps = Pasos
y-switch-shards-off-in = Apague shards en la vidriera de arriba. Los ajustes están en el enlace; nada sobre usted.
y-switched-off = apagado
y-taken-back-nothing-was = Retirado. No se envió nada.
y-the-account = la cuenta
y-the-calculation-could-no = El cálculo no pudo continuar en este navegador. Recargue la página para empezar de nuevo.
y-the-download-is-the = La descarga es el modelo del que habla
y-the-households-list = La lista del hogar
y-the-model-is-on = El modelo está en camino.
y-the-models-are-here = Los modelos están aquí.
y-the-most-popular-by = los más populares, por clases publicadas
y-the-new-model-is = Se coloca el modelo nuevo.
y-the-newest = el más nuevo
y-the-newest-2 = los { $n } más nuevos
y-the-other-shards-are = Los demás shards no han cambiado
y-the-proof = La prueba
y-the-receipt-does-not = El recibo no es válido. { $why }
y-the-receipt-does-not-2 = El recibo no es válido
y-the-receipt-does-not-3 = El recibo no es válido.
y-the-receipt-is-on = El recibo está en camino.
y-the-receipt-was-checked = El recibo se comprobó otra vez.
y-the-service-holds = El servicio no guarda nada que usted hiciera. Hasta entonces su lista es lo que gusta a la mayoría.
y-there-is-no-receipt = No hay recibo.
y-they-are-in-the = Están en los shards { $letters }, que se apartan de inmediato y se reentrenan desde cero; los demás quedan.
y-they-stay-in-this = Quedan en este navegador, también tras cerrar sesión, y no dicen ni quién ni qué. Compruebe uno otra vez para guardarlo.
y-throw-away = Tirar
y-to = {" "}a{" "}
y-token = Token
y-token-ends = Su token también termina.
y-took = calculado aquí en { $ms } ms
y-took-2 = tardó
y-took-gpu = calculado aquí en { $ms } ms, con WebGPU
y-trained-anew-here = reentrenado, aquí
y-trust-the-new-log = Confiar en la bitácora nueva
y-try-again = Intentar de nuevo
y-try-other-settings = Probar otros ajustes
y-unchanged = = sin cambios
y-undo = Deshacer
y-undo-takes-back = { $n ->
    [one] { $n } registro se olvidará en { $seconds } segundos. «Deshacer» lo retira.
   *[other] { $n } registros se olvidarán en { $seconds } segundos. «Deshacer» lo retira.
 }
y-waiting = { $n ->
    [one] { $what } se olvidará en { $left } s.
   *[other] { $what } se olvidarán en { $left } s.
 }
y-waiting-2 = espera
y-waits = Espera…
y-webgpu-not-tried-yet = WebGPU aún sin probar
y-what = Qué
y-what-adapts-the-models = Lo que adapta los modelos
y-what-the-household-bough = Lo que compró el hogar
y-what-this-browser-keeps = Lo que guarda este navegador
y-whatever-somebody-delete = Lo que alguien borra desaparece también de los modelos, como si nunca hubiera estado. Esta es la lista de un hogar: haga olvidar una de sus compras y vea qué modelo cambia, cómo se mueve la lista, y la prueba. O inicie sesión, o elija unos productos: entonces se trata de usted.
y-when = Cuándo
y-which-device-computes = Qué dispositivo calcula
y-which-trains-from-scratc = , que entrena desde cero con lo que queda. Nadie puede demostrar que no exista una copia en otro lugar.
y-whichever-is-faster = El que sea más rápido
y-who-else-can-check = Quién más puede comprobarlo
y-whose-lines = Líneas de
y-whose-list = ¿De quién es la lista?
y-why = Por qué
y-without-it-it-would = sin él seguiría siendo el puesto { $place }.
y-without-it-it-would-2 = sin él sería el puesto { $place }.
y-your-account-is-gone = Su cuenta ya no existe.
y-your-account-is-gone-2 = Su cuenta ya no existe. Su modelo es nuevo.
y-your-account-is-gone-3 = Su cuenta ya no existe. Los modelos son nuevos.
y-your-list = Su lista
y-your-list-appears-here = Su lista aparece aquí en cuanto lleguen los modelos.
y-your-list-made-in = Su lista, hecha en este navegador.
y-your-list-uses-it = Su lista lo usa de inmediato; su shard lo aprende en su próximo entrenamiento
y-your-picks = Sus elecciones
y-your-purchases = Sus compras
y-your-receipts = Sus recibos
y-your-records-lie = { $n ->
    [one] Su { $n } registro está { $fate }
   *[other] Sus { $n } registros están { $fate }
 }
