//! Chooses the columns of users, items and times: by their headings, or as the
//! options say.

use std::fmt;
use std::str::FromStr;

use super::super::reader::quote;
use super::times::looks_like_times;

/// The role of a column in a table of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The user.
    User,
    /// The item.
    Item,
    /// The time.
    Time,
    /// The type of event.
    Event,
    /// A rating or an amount.
    Value,
}

impl Role {
    /// Every role, in the order in which they are listed in messages.
    pub const ALL: [Self; 5] = [Self::User, Self::Item, Self::Time, Self::Event, Self::Value];

    /// The name of the role in `--columns`.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Item => "item",
            Self::Time => "time",
            Self::Event => "event",
            Self::Value => "value",
        }
    }

    /// Usual headings of such a column, in lower case without punctuation. A
    /// heading of the first list wins over one of the second.
    fn usual(self) -> [&'static str; 2] {
        match self {
            Self::User => [
                "userid uid customerid clientid visitorid memberid personid householdid householdkey accountid \
                 subscriberid reviewerid profileid readerid playerid custid useridx patronid",
                "user customer client visitor member person household account subscriber reviewer who username userno \
                 usernumber reader player listener shopper buyer patron profile profilename email sessionid session",
            ],
            Self::Item => [
                "itemid productid sku movieid articleid asin isbn trackid songid bookid gameid contentid videoid \
                 stockcode offerid recipeid poiid venueid businessid parentasin showid iid productcode itemcode ean gtin \
                 locationid",
                "item product movie article track song book game content video offer recipe venue business what title \
                 thing show place location artistid artist",
            ],
            Self::Time => [
                "timestamp time ts datetime eventtime unixtime unixreviewtime eventtimestamp createdat occurredat uts \
                 timestampms eventdate dateadded",
                "when date starttime utctime invoicedate orderdate purchasedate tdat at created day reviewtime viewedat \
                 watchedat ratedat playedat watcheddate",
            ],
            Self::Event => [
                "event eventtype feedbacktype action actiontype behavior behaviour behaviortype",
                "type kind interaction activity feedback",
            ],
            Self::Value => {
                ["rating value score stars overall weight", "eventvalue amount quantity plays playcount count grade"]
            }
        }
    }

    /// The index of the list of usual headings that contains a heading; lower
    /// is better.
    fn rank(self, heading: &str) -> Option<usize> {
        let plain = plain(heading);
        self.usual().iter().position(|names| is_among(names, &plain))
    }
}

/// Whether a name is in a list of names that spaces separate.
pub(super) fn is_among(names: &str, name: &str) -> bool {
    names.split(' ').any(|known| known == name)
}

/// A heading in lower case without punctuation, and without the type that
/// RecBole appends.
pub(super) fn plain(heading: &str) -> String {
    let name = match heading.rsplit_once(':') {
        Some((name, "token" | "token_seq" | "float" | "float_seq")) => name,
        _ => heading,
    };
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// How many of the roles user, item and time have a usual heading in a row.
pub fn usual_names(row: &[String]) -> usize {
    let roles = [Role::User, Role::Item, Role::Time];
    roles.iter().filter(|role| row.iter().any(|field| role.rank(field).is_some())).count()
}

/// The columns that the options name: `user=customer,item=sku,time=none`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes(Vec<(Role, String)>);

impl Wishes {
    /// The column that was named for a role.
    pub fn of(&self, role: Role) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == role).map(|(_, column)| column.as_str())
    }

    /// Whether no column was named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The named columns with their roles.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Role, &str)> {
        self.0.iter().map(|(role, column)| (*role, column.as_str()))
    }
}

impl FromStr for Wishes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut wishes: Vec<(Role, String)> = Vec::new();
        for part in text.split(',') {
            let example = "write it as user=customer,item=sku,time=ts,event=type,value=rating";
            let Some((role, column)) = part.split_once('=') else {
                return Err(format!("{} is no ROLE=COLUMN; {example}", quote(part)));
            };
            let Some(role) = Role::ALL.into_iter().find(|known| known.name() == role.trim()) else {
                return Err(format!("{} is none of user, item, time, event, value; {example}", quote(role)));
            };
            if column.trim().is_empty() {
                return Err(format!("the column for {} is blank; {example}", role.name()));
            }
            if wishes.iter().any(|(known, _)| *known == role) {
                return Err(format!("{} is named twice; name one column for it", role.name()));
            }
            wishes.push((role, column.to_owned()));
        }
        Ok(Self(wishes))
    }
}

/// A question to the person who imports: a fact that the file does not decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The role that has no column, if that is the question.
    pub role: Option<Role>,
    /// What is unclear.
    pub problem: String,
    /// How to answer it.
    pub hint: String,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. {}", self.problem, self.hint)
    }
}

/// The chosen columns, as positions from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// The user column; `None` if all records belong to one person.
    pub user: Option<usize>,
    /// The item column.
    pub item: usize,
    /// The time column, if the table has one.
    pub time: Option<usize>,
    /// The columns that the conditions read, in the order of the conditions.
    pub kept: Vec<usize>,
}

/// The headings and first rows of a table, from which columns are chosen.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// The names of the columns.
    pub headings: &'a [String],
    /// Some of the first rows.
    pub sample: &'a [Vec<String>],
}

/// Chooses the columns: those that were named, else those with usual headings.
/// `one_person` says that no user column is needed. `kept` are the columns that
/// conditions name: `event`, `value`, or a heading.
///
/// # Errors
/// A [`Question`] if a column is missing, or two fit equally well.
pub fn choose(table: Table<'_>, wishes: &Wishes, one_person: bool, kept: &[&str]) -> Result<Columns, Question> {
    for (role, column) in wishes.iter() {
        if !(role == Role::Time && column == "none") {
            find(table.headings, column)?;
        }
    }
    let user = if one_person {
        None
    } else {
        Some(by_role(table, wishes, Role::User)?.ok_or_else(|| missing(table, wishes, Role::User))?)
    };
    let item = by_role(table, wishes, Role::Item)?.ok_or_else(|| missing(table, wishes, Role::Item))?;
    let time = match wishes.of(Role::Time) {
        Some("none") => None,
        _ => by_role(table, wishes, Role::Time)?,
    };
    if user == Some(item) || time == Some(item) || (user.is_some() && user == time) {
        let problem = "one column cannot be two of user, item and time".to_owned();
        return Err(Question { role: None, problem, hint: write_columns(table, wishes, None) });
    }
    if time.is_none() && wishes.of(Role::Time).is_none() {
        ask_about_times(table, user, item)?;
    }
    let kept = kept.iter().map(|name| condition_column(table, wishes, name)).collect::<Result<_, _>>()?;
    Ok(Columns { user, item, time, kept })
}

/// Finds a column by its exact heading, by a heading that differs in
/// punctuation and case only, or by its number from 1.
fn find(headings: &[String], name: &str) -> Result<usize, Question> {
    let exact: Vec<usize> = (0..headings.len()).filter(|&place| headings[place] == name).collect();
    match exact.as_slice() {
        [] => {}
        [only] => return Ok(*only),
        several => {
            let places: Vec<String> = several.iter().map(|place| (place + 1).to_string()).collect();
            return Err(Question {
                role: None,
                problem: format!("{} columns are called {}", several.len(), quote(name)),
                hint: format!("Give the number of the one that is meant: {}", places.join(" or ")),
            });
        }
    }
    let alike: Vec<usize> = (0..headings.len())
        .filter(|&place| !plain(name).is_empty() && plain(&headings[place]) == plain(name))
        .collect();
    if let [only] = alike.as_slice() {
        return Ok(*only);
    }
    if let Some(place) = name.trim().parse::<usize>().ok().filter(|n| (1..=headings.len()).contains(n)) {
        return Ok(place - 1);
    }
    Err(Question {
        role: None,
        problem: format!("there is no column {} among {}", quote(name), list(headings)),
        hint: "Name one of these, or give its number from 1".into(),
    })
}

fn by_role(table: Table<'_>, wishes: &Wishes, role: Role) -> Result<Option<usize>, Question> {
    if let Some(name) = wishes.of(role) {
        return find(table.headings, name).map(Some);
    }
    // A column that was named for another role is not considered.
    let taken: Vec<usize> = wishes.iter().filter_map(|(_, name)| find(table.headings, name).ok()).collect();
    let ranked = |place: usize| role.rank(&table.headings[place]).filter(|_| !taken.contains(&place));
    let Some(best) = (0..table.headings.len()).filter_map(ranked).min() else { return Ok(None) };
    let fitting: Vec<usize> = (0..table.headings.len()).filter(|&place| ranked(place) == Some(best)).collect();
    if let [only] = fitting.as_slice() {
        return Ok(Some(*only));
    }
    let names: Vec<String> = fitting.iter().map(|&place| table.headings[place].clone()).collect();
    Err(Question {
        role: Some(role),
        problem: format!("{} columns may be the {}: {}", names.len(), role.name(), list(&names)),
        hint: write_columns(table, wishes, Some(role)),
    })
}

pub(in crate::data) fn condition_column(table: Table<'_>, wishes: &Wishes, name: &str) -> Result<usize, Question> {
    if table.headings.iter().any(|heading| heading == name) {
        return find(table.headings, name);
    }
    let role = Role::ALL.into_iter().find(|role| role.name() == name);
    if let Some(role) = role {
        return by_role(table, wishes, role)?.ok_or_else(|| missing(table, wishes, role));
    }
    find(table.headings, name)
}

fn missing(table: Table<'_>, wishes: &Wishes, role: Role) -> Question {
    let mut hint = write_columns(table, wishes, Some(role));
    if role == Role::User {
        hint += "; if everything in the file is one person's, write --person NAME";
    }
    Question {
        role: Some(role),
        problem: format!("no column is known as the {} among {}", role.name(), list(table.headings)),
        hint,
    }
}

/// Fails if no column is known as the time but another column looks like one.
fn ask_about_times(table: Table<'_>, user: Option<usize>, item: usize) -> Result<(), Question> {
    let looks = |place: &usize| {
        let values = table.sample.iter().filter_map(|row| row.get(*place)).map(String::as_str);
        Some(*place) != user && *place != item && looks_like_times(values)
    };
    let Some(place) = (0..table.headings.len()).find(looks) else { return Ok(()) };
    Err(Question {
        role: Some(Role::Time),
        problem: format!("the column {} looks like times, but its name does not say so", quote(&table.headings[place])),
        hint: format!(
            "Write --columns time={} to read it as times, or --columns time=none to read none",
            table.headings[place]
        ),
    })
}

/// The option to write, with the columns that are known already.
fn write_columns(table: Table<'_>, wishes: &Wishes, asked: Option<Role>) -> String {
    let part = |role: Role| {
        if Some(role) == asked {
            return Some(format!("{}=COLUMN", role.name()));
        }
        let known = by_role_quietly(table, wishes, role);
        known.map(|place| format!("{}={}", role.name(), table.headings[place]))
    };
    let mut roles = vec![Role::User, Role::Item, Role::Time];
    roles.extend(asked.filter(|role| !roles.contains(role)));
    let parts: Vec<String> = roles.into_iter().filter_map(part).collect();
    format!("Say which it is: --columns {}", parts.join(","))
}

fn by_role_quietly(table: Table<'_>, wishes: &Wishes, role: Role) -> Option<usize> {
    if let Some(name) = wishes.of(role) {
        return find(table.headings, name).ok();
    }
    let best = table.headings.iter().filter_map(|heading| role.rank(heading)).min()?;
    let mut fitting = (0..table.headings.len()).filter(|&place| role.rank(&table.headings[place]) == Some(best));
    fitting.next().filter(|_| fitting.next().is_none())
}

/// Quoted names for messages: at most twelve.
pub(super) fn list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(12).map(|name| quote(name)).collect();
    let more = if names.len() > 12 { format!(" and {} more", names.len() - 12) } else { String::new() };
    shown.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn chosen(headings: &str, wishes: &str) -> Result<Columns, Question> {
        let headings = strings(headings);
        let wishes = if wishes.is_empty() { Wishes::default() } else { wishes.parse().unwrap() };
        choose(Table { headings: &headings, sample: &[] }, &wishes, false, &[])
    }

    fn places(headings: &str, wishes: &str) -> (Option<usize>, usize, Option<usize>) {
        let found = chosen(headings, wishes).unwrap();
        (found.user, found.item, found.time)
    }

    #[test]
    fn columns_have_usual_names() {
        assert_eq!(places("wishlist,UserId,ItemId,Timestamp", ""), (Some(1), 2, Some(3)));
        assert_eq!(places("userId,movieId,rating,timestamp", ""), (Some(0), 1, Some(3)));
        assert_eq!(places("InvoiceNo,StockCode,Description,InvoiceDate,Customer ID", ""), (Some(4), 1, Some(3)));
        assert_eq!(places("who,what,when", ""), (Some(0), 1, Some(2)));
        assert_eq!(places("user_id:token,item_id:token", ""), (Some(0), 1, None));
        assert_eq!(places("Id,ProductId,UserId,ProfileName,Time", ""), (Some(2), 1, Some(4)));
        assert_eq!(places("Profile Name,Start Time,Duration,Title", ""), (Some(0), 3, Some(1)));
    }

    #[test]
    fn columns_are_named_by_people() {
        assert_eq!(places("kunde,artikel,zeit", "user=kunde,item=artikel,time=zeit"), (Some(0), 1, Some(2)));
        assert_eq!(places("1,2,3", "user=2,item=3,time=none"), (Some(1), 2, None));
        assert_eq!(places("user_id,customer_id,sku", "user=customer_id"), (Some(1), 2, None));
        let found = chosen("a,b,c", "user=a,item=d").unwrap_err();
        assert_eq!(found.problem, "there is no column 'd' among 'a', 'b', 'c'");
        assert!("user=a,user=b".parse::<Wishes>().unwrap_err().contains("named twice"));
        assert!("who=a".parse::<Wishes>().unwrap_err().contains("none of user"));
        assert!("user".parse::<Wishes>().unwrap_err().contains("ROLE=COLUMN"));
    }

    #[test]
    fn what_is_not_clear_is_asked() {
        let found = chosen("user_id,customer_id,sku,ts", "").unwrap_err();
        assert_eq!(found.problem, "2 columns may be the user: 'user_id', 'customer_id'");
        assert_eq!(found.hint, "Say which it is: --columns user=COLUMN,item=sku,time=ts");
        let found = chosen("Title,Date", "").unwrap_err();
        assert_eq!(
            (found.role, found.problem.as_str()),
            (Some(Role::User), "no column is known as the user among 'Title', 'Date'")
        );
        assert!(found.hint.contains("--person NAME"));
        let headings = strings("user,item,zeit");
        let sample = [strings("a,b,2020-01-02"), strings("a,c,2020-01-03")];
        let found = choose(Table { headings: &headings, sample: &sample }, &Wishes::default(), false, &[]).unwrap_err();
        assert!(found.hint.contains("--columns time=zeit"), "{found}");
    }

    #[test]
    fn conditions_find_their_columns() {
        let headings = strings("user,item,type,Country");
        let table = Table { headings: &headings, sample: &[] };
        let kept = choose(table, &Wishes::default(), false, &["event", "Country"]).unwrap().kept;
        assert_eq!(kept, [2, 3]);
        assert!(choose(table, &Wishes::default(), false, &["value"]).unwrap_err().hint.contains("value=COLUMN"));
    }
}
