o-a-key-signs-from = Desde aquí firma una clave
o-a-person = Una persona
o-a-person-2 = una persona
o-a-service-of-eight = Un servicio de ocho shards mientras los borrados de dos personas están en camino. Sus cifras son inventadas.
o-a-token-for-it = Un token para { $user }. Se muestra solo esta vez: cópielo ahora.
o-accepted = { $n ->
    [one] { $n } borrado está aceptado y aún sin hacer: hasta entonces se usan sus registros.
   *[other] { $n } borrados están aceptados y aún sin hacer: hasta entonces se usan sus registros.
 }
o-administrator-leave = Administrador · salir
o-after = Después
o-age = Antigüedad
o-all-shards-serve = Los { $word } shards están en servicio.
o-an-administrator = un administrador
o-an-entry-of-a = Una entrada de una versión posterior
o-an-example-of-a = Un ejemplo de servicio
o-an-operator = un operador
o-an-operators-token = El token de un operador
o-and-more = Y { $rest } más.
o-answer = Respuesta
o-answers = respuestas
o-answers-overtaken = respuestas superadas
o-any = Todos
o-asked-at = pedido a las { $at }, escrito { $later } después
o-backups-hold = Lo que se borra sigue en ellas hasta que se destruyan.
o-backups-that-are-out = Copias que existen
o-besides = { $n ->
    [one] Además: { $n } token para personas, que no se nombran aquí.
   *[other] Además: { $n } tokens para personas, que no se nombran aquí.
 }
o-carried-out = { $n ->
    [one] { $n } borrado está hecho: ninguna respuesta usa sus registros.
   *[other] { $n } borrados están hechos: ninguna respuesta usa sus registros.
 }
o-changes-wait = { $n ->
    [one] { $n } cambio espera para escribirse.
   *[other] { $n } cambios esperan para escribirse.
 }
o-close = Cerrar
o-count = Cantidad
o-days-empty-for-always = Días; vacío para siempre
o-days-give-a-whole = Días: dé un número entero, o deje el campo vacío. No se creó ningún token.
o-delete = Borrar…
o-delete-2 = Borrar
o-delete-all-records = Borrar todos los registros…
o-delete-everything-that-t = ¿Borrar todo lo que hizo esta persona? La cuenta queda.
o-delete-item = ¿Borrar «{ $name }» de esta persona?
o-delete-the-account = Borrar la cuenta…
o-delete-the-account-with = ¿Borrar la cuenta, con cada registro y token?
o-delete-what = Los shards que lo vieron se reentrenan. Esto no se puede deshacer, y el registro de auditoría dice que usted lo pidió.
o-deletions-acknowledged = Borrados confirmados
o-deletions-in-the-last = Borrados en la última hora
o-deletions-without-a-rece = Borrados sin recibo
o-destroy-it-now = destruir ahora
o-destroy-within = destruir en { $span }
o-do-all-admin = hacerlo todo (admin)
o-due = Vence
o-each-receipt-is-an = Cada recibo es una entrada, y también cada modelo que entra en servicio. La página las obtiene todas y comprueba que dan la raíz que firmó el servidor.
o-entry = Entrada { $number }
o-entry-2 = Entrada
o-epoch = época { $epoch } de { $epochs }
o-example = Ejemplo
o-file = Archivo
o-find = Buscar
o-for-more = aún { $left }
o-for-whoever-runs-eemu = Para quien opera eemu: qué modelos están en servicio, qué borrados están en camino y hasta cuándo, lo rápidas y buenas que son las listas, y la bitácora de recibos, en vivo. Se ven shards y cantidades, y los registros de nadie. Un token muestra su propio servicio; abajo hay un ejemplo.
o-found-by-the-exact = Se encuentra por el identificador exacto de los datos importados. No se puede listar ni buscar a nadie.
o-from-to = { $first } a { $last } de { $all }
o-hash = Hash
o-how-fast = Rapidez
o-how-good = Calidad
o-i-have-it = Lo tengo
o-identifier = Identificador
o-in = en { $span }
o-in-the-since-it = Desde que empezó, hace { $span }
o-it-names-tokens-and = Nombra tokens y clases de preguntas; a ninguna persona y ningún artículo.
o-keep = Conservar
o-kind = Tipo
o-kind-all = Todas las entradas
o-kind-keys = Claves
o-kind-published = Modelos publicados
o-kind-receipts = Recibos
o-last-thousand = Últimos mil
o-late = { $n ->
    [one] { $n } borrado va con retraso.
   *[other] { $n } borrados van con retraso.
 }
o-late-by = { $span } de retraso
o-lists = Listas
o-lists-are-worse-than = Las listas son peores que antes, más de lo que explica el azar. Mire qué shards faltan, y qué se borró o añadió desde entonces.
o-log-whole = { $n ->
    [one] La bitácora está entera: se obtuvo { $n } entrada, { $receipts } de ellas recibos, y da la raíz que firmó el servidor. Clave { $key }…
   *[other] La bitácora está entera: se obtuvieron { $n } entradas, { $receipts } de ellas recibos, y dan la raíz que firmó el servidor. Clave { $key }…
 }
o-look = Ver
o-look-again = Ver otra vez
o-look-operator = ver (operator)
o-make-a-token = Crear un token
o-make-a-token-for = Crear un token para 30 días
o-makes-one = {" "}crea uno;{" "}
o-makes-one-beside-the = {" "}hace una junto al servicio en marcha.
o-many-retrain = { $word } se reentrenan.
o-may = Puede
o-more-than-is-sustained = Más de lo sostenible: los recibos llegan cada vez más tarde. Añada entrenadores, o reúna durante más tiempo.
o-named-retrain = { $n ->
    [one] { $names } se reentrena.
   *[other] { $names } se reentrenan.
 }
o-neither-the-log-nor = Ni la bitácora ni los borrados en camino conocen esto. Compruebe el número o el nombre.
o-newer = Más nuevas
o-no = N.º
o-no-deletion-waits-for = Ningún borrado espera su recibo.
o-no-entry-fits = Ninguna entrada encaja.
o-no-receipt-yet = Aún sin recibo.
o-no-shard-serves = Ningún shard está en servicio.
o-no-shard-waits = Ningún shard espera.
o-none = Ninguno. { $policy }
o-none-known = No se conoce ninguna.
o-not-measured-every = Sin medir: cada registro entrena, así que no queda ninguno para juzgar. Importe con{" "}
o-of-shards-serve = { $n ->
    [one] Uno de { $word2 } shards está en servicio.
   *[other] { $word } de { $word2 } shards están en servicio.
 }
o-of-sustained = { $asked } de { $sustained } sostenibles
o-old = { $age }
o-older = Más antiguas
o-one-that-may-also = {" "}uno que también puede buscar a una persona. Se conserva solo durante esta visita.
o-operator-leave = Operador · salir
o-out = fuera de la media
o-out-collects = fuera, reúne
o-out-collects-long = Fuera de la media; reúne cambios
o-out-long = Fuera de la media
o-out-publishes = publica
o-out-publishes-long = Fuera de la media; se coloca su modelo
o-out-retrains = se reentrena
o-out-retrains-long = Fuera de la media; se reentrena
o-out-waits = fuera, espera
o-out-waits-long = Fuera de la media; espera entrenador
o-people = Personas
o-policy-by = Los borrados se hacen juntos, cada día antes de las { $time } UTC; un recibo debe llegar en los 30 días tras pedirlo.
o-policy-once = Los borrados se hacen antes de confirmarse; un recibo debe llegar en los 30 días tras pedirlo.
o-policy-within = Los borrados se hacen juntos, en { $span }; un recibo debe llegar en los 30 días tras pedirlo.
o-published = Publicado
o-quality-of = { $n ->
    [one] De { $n } persona con registros reservados, siempre la misma, medido hace { $ago }. Lo mejor desde que empezó el servicio: { $best }.
   *[other] De { $n } personas con registros reservados, siempre las mismas, medido hace { $ago }. Lo mejor desde que empezó el servicio: { $best }.
 }
o-receipt-next = Después viene el recibo.
o-receipt-removed = { $n ->
    [one] Recibo: { $n } registro quitado
   *[other] Recibo: { $n } registros quitados
 }
o-receipts-in = Recibos en { $time }.
o-receipts-number-or-reque = Número del recibo o nombre de la solicitud
o-records = Registros
o-records-added = registros añadidos
o-records-are-held-out = Hay registros reservados; se mide tras el próximo entrenamiento.
o-records-deleted = registros borrados
o-request = Solicitud
o-retrain-now = Reentrenar ahora
o-revoke = Revocar
o-said-accepted = Aceptado: se hará junto con otros, antes de la hora indicada arriba.
o-said-account = La cuenta ya no existe: { $records }. { $retrain }.
o-said-deleted = Borrado: { $records }. { $retrain }.
o-said-name = El nombre de la solicitud es { $request }: déselo a quien la hizo; con él obtiene el recibo.
o-said-nothing = No había nada que borrar.
o-save-all-that-is = Guardar todo lo que se conserva
o-save-these-as-json = Guardar estas como JSON Lines
o-see-a-service-forget = Vea cómo olvida un servicio.
o-server-faults = fallos del servidor
o-serving = en servicio
o-serving-changed = En servicio; registros cambiados
o-serving-collects = en servicio, reúne
o-serving-collects-long = En servicio; reúne cambios
o-serving-long = En servicio
o-serving-publishes = en servicio, publica
o-serving-publishes-long = En servicio; se coloca su modelo nuevo
o-serving-retrains = en servicio, entrena
o-serving-retrains-long = En servicio; se reentrena
o-serving-waits = en servicio, espera
o-serving-waits-long = En servicio; espera entrenador
o-shard = Shard
o-shards = Shards
o-shards-retrain = { $n ->
    [one] { $n } shard se reentrena
   *[other] { $n } shards se reentrenan
 }
o-shards-trained = shards entrenados
o-shards-would-begin-at = { $some } shards empezarían de inmediato.
o-show = Mostrar
o-show-all = Mostrar los { $count }
o-skip-to-the-service = Saltar al servicio
o-state = Estado
o-state-accepted = Aceptado; sus registros aún se usan
o-state-collects = En vigor; sus shards reúnen más
o-state-done = En vigor; después viene el recibo
o-state-publishes = En vigor; se coloca un modelo nuevo
o-state-queued = En vigor; sus shards esperan entrenador
o-state-retrains = En vigor; sus shards se reentrenan
o-the-log-does-not = La bitácora no es válida: { $why }. Compárela con lo que vieron otros, y con una copia.
o-the-log-of-receipts = La bitácora de recibos
o-the-service = El servicio
o-the-shard-serves = El shard está en servicio.
o-times = { $n ->
    [one] { $n } vez
   *[other] { $n } veces
 }
o-to-measure = {" "}para medir.
o-token = Token
o-token-ended-whoever-hold = El token { $id } terminó. A quien lo tenga se le rechaza desde ahora.
o-token-sr = token { $id }
o-tokens = Tokens
o-took = Tardó
o-trained = Entrenado
o-trainings-failed = entrenamientos fallidos
o-trainings-restarted = entrenamientos reiniciados
o-until = hasta las { $clock }
o-until-it-is-revoked = hasta que se revoque
o-version = Versión
o-versions-are-numbered-ov = Las versiones se numeran seguidas para todos los shards: de v6 a v13 es un entrenamiento. «Entrenado» los cuenta.
o-waits-for = Espera
o-what = Qué
o-when = Cuándo
o-who-asked-for-what = Quién pidió qué
o-would-begin-at-once = Inicio inmediato: { $some }.
o-written = Escrito
