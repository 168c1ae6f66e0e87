//! Lists that are not for one user: similar, popular and new items. Also which items
//! are hidden from lists.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use eemu_core::api::{HiddenItems, HideRequest, NewItems, PopularItems, Problem, Recommendations};
use eemu_core::rules::Rules;

use super::App;
use super::caller::Caller;
use super::problem::{Answer, Body, Failure, Query};
use super::recommending::{computed, counted, refused};
use crate::serve::recommending::{newest, popular, similar};
use crate::serve::tokens::Scope;
use crate::serve::view::View;

/// The most items that one request may hide or show.
const MOST_ITEMS: usize = 10_000;

const NO_ITEM: &str = "there is no such item; name it as in the imported files";

/// The parameters of a request for a list. A name may occur several times.
#[derive(Debug)]
struct Asked {
    item: Option<String>,
    top: usize,
    rules: Rules,
}

impl Asked {
    fn of(view: &View, pairs: Vec<(String, String)>) -> Answer<Self> {
        let (mut item, mut top, mut rules) = (None, None, Rules::default());
        for (name, value) in pairs {
            match name.as_str() {
                "item" => item = Some(value),
                "top" => {
                    top = Some(value.parse().map_err(|_| Failure::bad("top is no whole number; give 1 to 1000"))?);
                }
                "category" => rules.category.push(value),
                "exclude" => rules.exclude.push(value),
                "only" => rules.only.get_or_insert_default().push(value),
                // The name is not repeated, since it may be anything.
                _ => {
                    return Err(Failure::bad(
                        "the query has a name too many; give item, top, category, exclude or only",
                    ));
                }
            }
        }
        rules.check(&view.dataset.catalog).map_err(refused)?;
        Ok(Self { item, top: counted(top)?, rules })
    }

    /// The parameters of a list that does not start from an item.
    fn of_all(view: &View, pairs: Vec<(String, String)>) -> Answer<Self> {
        match Self::of(view, pairs)? {
            Self { item: Some(_), .. } => Err(Failure::bad("this list is about no item; leave item out")),
            asked => Ok(asked),
        }
    }
}

/// The items most similar to one: the mean over the shards of the cosine
/// between the two items' vectors. It follows from the models alone.
#[utoipa::path(get, path = "/api/v1/similar", tag = "recommendations",
    params(("item" = String, Query, description = "the item's identifier"),
        ("top" = Option<u32>, Query, description = "how many; 10 when left out, 1000 at most"),
        ("category" = Option<Vec<String>>, Query, description = "COLUMN=VALUE; may come several times"),
        ("exclude" = Option<Vec<String>>, Query, description = "an item that may not be listed; may come several times"),
        ("only" = Option<Vec<String>>, Query, description = "the only items that may; may come several times")),
    responses((status = 200, body = Recommendations), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn similar_items(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Answer<Json<Recommendations>> {
    let view = app.service.view();
    let Asked { item, top, rules } = Asked::of(&view, pairs)?;
    let item = item.ok_or_else(|| Failure::bad("name the item: ?item=ID"))?;
    let item = view.dataset.catalog.items.find(&item).ok_or_else(|| Failure::missing(NO_ITEM))?;
    drop(view);
    computed(app, move |app| similar(&app.service, item, top, &rules)).await.map(Json)
}

/// The items that most people have. With an operator's or administrator's
/// token of the records as they are now, with counts; for others in the order
/// of the published classes, which are noisy.
#[utoipa::path(get, path = "/api/v1/popular", tag = "recommendations",
    security((), ("bearer" = ["admin", "operator"])),
    params(("top" = Option<u32>, Query, description = "how many; 10 when left out, 1000 at most"),
        ("category" = Option<Vec<String>>, Query, description = "COLUMN=VALUE; may come several times"),
        ("exclude" = Option<Vec<String>>, Query, description = "an item that may not be listed; may come several times"),
        ("only" = Option<Vec<String>>, Query, description = "the only items that may; may come several times")),
    responses((status = 200, body = PopularItems), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn popular_items(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Answer<Json<PopularItems>> {
    let Asked { top, rules, .. } = Asked::of_all(&app.service.view(), pairs)?;
    let exact = matches!(caller.scope, Some(Scope::Operator | Scope::Admin));
    computed(app, move |app| popular(&app.service, exact, top, &rules)).await.map(Json)
}

/// The items whose first record is the latest. For operators: the order names
/// times of single records.
#[utoipa::path(get, path = "/api/v1/new", tag = "recommendations", security(("bearer" = ["admin", "operator"])),
    params(("top" = Option<u32>, Query, description = "how many; 10 when left out, 1000 at most"),
        ("category" = Option<Vec<String>>, Query, description = "COLUMN=VALUE; may come several times"),
        ("exclude" = Option<Vec<String>>, Query, description = "an item that may not be listed; may come several times"),
        ("only" = Option<Vec<String>>, Query, description = "the only items that may; may come several times")),
    responses((status = 200, body = NewItems), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn new_items(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Answer<Json<NewItems>> {
    caller.operates()?;
    let Asked { top, rules, .. } = Asked::of_all(&app.service.view(), pairs)?;
    computed(app, move |app| newest(&app.service, top, &rules)).await.map(Json)
}

/// The items that are hidden from every list.
#[utoipa::path(get, path = "/api/v1/items/hidden", tag = "operating", security(("bearer" = ["admin", "operator"])),
    responses((status = 200, body = HiddenItems), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn hidden(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<HiddenItems>> {
    caller.operates()?;
    Ok(Json(HiddenItems { hidden: app.service.hiding().names(), ..HiddenItems::default() }))
}

/// Hides items from every list. Their records stay, and models learn from
/// them; `take-down` is for good.
#[utoipa::path(post, path = "/api/v1/items/hide", tag = "operating", request_body = HideRequest,
    security(("bearer" = ["admin", "operator"])),
    responses((status = 200, body = HiddenItems), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn hide(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(ask): Body<HideRequest>,
) -> Answer<Json<HiddenItems>> {
    change(app, &caller, true, ask.items).await
}

/// Shows hidden items again.
#[utoipa::path(post, path = "/api/v1/items/show", tag = "operating", request_body = HideRequest,
    security(("bearer" = ["admin", "operator"])),
    responses((status = 200, body = HiddenItems), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(ask): Body<HideRequest>,
) -> Answer<Json<HiddenItems>> {
    change(app, &caller, false, ask.items).await
}

async fn change(app: Arc<App>, caller: &Caller, hide: bool, items: Vec<String>) -> Answer<Json<HiddenItems>> {
    caller.operates()?;
    if items.len() > MOST_ITEMS {
        return Err(Failure::bad(format!("{} items; send {MOST_ITEMS} at most at once", items.len())));
    }
    let work = move |app: &App| app.service.hiding().change(&app.service.view(), hide, &items);
    computed(app, work).await.map(Json)
}
