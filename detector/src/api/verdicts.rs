//! What people say of an incident: said, read and taken back, and never changed.
//!
//! `false_positive` and `accepted_risk` become an allow rule at once, for the prefixes, the suspect and the classes as they
//! were judged. It goes into the order of events as a change of the watch list does, so the incident is retracted, and what
//! goes beyond the judgement (another prefix, another suspect, a graver class) is told.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rules::alert::{Alert, Class};
use rules::bgp::Timestamp;
use rules::finding::Kind;
use rules::watch::AllowRule;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::parameters::Parameters;
use super::problem::Problem;
use crate::alert::from_json;
use crate::app::now;
use crate::config::rule_text;
use crate::http::Site;
use crate::http::guard::Caller;
use crate::store::verdicts::{Opinion, Refused, Said, Verdict};
use crate::text;

/// Characters of why.
const WHY: usize = 1_000;

/// What somebody says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVerdict {
    /// acknowledged, confirmed, false_positive, accepted_risk or duplicate.
    #[schema(example = "false_positive")]
    pub verdict: String,
    /// Why, for whoever reads it later.
    #[schema(min_length = 1, max_length = 1000, example = "our new transit, ticket 4711")]
    pub why: String,
    /// Until when it holds (RFC 3339); null: until it is taken back. A rule that follows from it ends with it.
    #[schema(format = "date-time")]
    pub expires: Option<String>,
    /// The incident that it is the same as; with `duplicate`, and only then.
    pub duplicate_of: Option<String>,
    /// `sequence` of the alert that was looked at. With `false_positive` and `accepted_risk`: refused if the newest alert
    /// would allow anything else than that one; null: the newest counts.
    #[schema(minimum = 1)]
    pub sequence: Option<u32>,
}

/// Why it is taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    #[schema(min_length = 1, max_length = 1000)]
    why: String,
}

/// What somebody said.
#[derive(Debug, Serialize, ToSchema)]
pub struct Shown {
    number: i64,
    incident: String,
    /// As it was said, or "undone".
    verdict: &'static str,
    /// The name of the token.
    by: String,
    why: String,
    said: String,
    expires: Option<String>,
    duplicate_of: Option<String>,
    /// The allow rule that follows from it, as it would stand in a watch file.
    rule: Option<String>,
    /// The number of what this takes back.
    undoes: Option<i64>,
    /// It was taken back.
    undone: bool,
}

impl From<Verdict> for Shown {
    fn from(verdict: Verdict) -> Self {
        let Said { incident, opinion, by, why, expires, duplicate_of, rule, undoes } = verdict.said;
        Self {
            number: verdict.number,
            incident,
            verdict: opinion.word(),
            by,
            why,
            said: verdict.at.to_string(),
            expires: expires.map(|end| end.to_string()),
            duplicate_of,
            rule,
            undoes,
            undone: verdict.is_undone,
        }
    }
}

/// All that was said of an incident.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verdicts {
    count: usize,
    verdicts: Vec<Shown>,
}

/// All that people said of an incident, in its order
#[utoipa::path(get, path = "/api/v1/incidents/{id}/verdicts", operation_id = "verdicts", tag = "verdicts",
    params(("id" = String, Path, description = "As in the alert")),
    responses(
        (status = 200, description = "Nothing of it is ever changed", body = Verdicts),
        (status = 400, description = "A parameter is unknown", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such incident", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be used now", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn list(
    State(site): State<Site>,
    Path(id): Path<String>,
    given: Parameters,
) -> Result<Json<Verdicts>, Problem> {
    given.finish()?;
    let verdicts: Vec<Shown> = site.store.verdicts(&id).await?.into_iter().map(Shown::from).collect();
    // Verdicts outlive the incident: what has some was known once.
    if verdicts.is_empty() && site.store.latest(&id).await?.is_none() {
        return Err(Problem::not_found());
    }
    Ok(Json(Verdicts { count: verdicts.len(), verdicts }))
}

/// Say what is to be thought of an incident
///
/// It is on disk when the answer comes. `false_positive` and `accepted_risk` become an allow rule at once: the incident is
/// retracted, and what goes beyond it is told. Of these two and `confirmed` the newest that was not taken back and is not over
/// counts; `acknowledged` and `duplicate` change nothing of it.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/verdicts", tag = "verdicts",
    params(("id" = String, Path, description = "As in the alert")), request_body = NewVerdict,
    responses(
        (status = 201, description = "Written down", body = Shown),
        (status = 400, description = "It cannot be said like this", body = Problem,
         content_type = "application/problem+json"),
        (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The role triage is needed", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "No such incident", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Too much was said already; or no rule can follow from it: it is no longer what \
         was looked at, or has more prefixes than an alert can name", body = Problem,
         content_type = "application/problem+json"),
        (status = 413, description = "More than 64 KiB", content_type = "text/plain"),
        (status = 415, description = "No application/json", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be used now", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn say(
    State(site): State<Site>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let given = read(&headers, &body)?;
    Ok((StatusCode::CREATED, Json(Shown::from(speak(&site, id, &caller, given).await?))).into_response())
}

/// Writes down what somebody says.
pub async fn speak(site: &Site, id: String, caller: &Caller, given: NewVerdict) -> Result<Verdict, Problem> {
    let opinion = Opinion::ALL.into_iter().find(|opinion| opinion.word() == given.verdict).ok_or_else(|| {
        let known = Opinion::ALL.map(Opinion::word).join(", ");
        Problem::parameter("verdict", &given.verdict, &format!("expected one of {known}"))
    })?;
    if (opinion == Opinion::Duplicate) != given.duplicate_of.is_some() {
        let other = given.duplicate_of.as_deref().unwrap_or_default();
        return Err(Problem::parameter(
            "duplicate_of",
            other,
            "expected an incident with \"duplicate\", and only then",
        ));
    }
    let (why, expires) = (why(&given.why)?, given.expires.as_deref().map(expiry).transpose()?);
    let latest = site.store.latest(&id).await?.ok_or_else(Problem::not_found)?;
    let by = caller.name.to_string();
    let rule = match opinion.allows() {
        true => {
            let alert = judged(site, &id, &latest, given.sequence).await?;
            Some(rule_text(rule(&alert, opinion, &by, &why, expires)))
        }
        false => None,
    };
    let duplicate_of = given.duplicate_of;
    write(site, Said { incident: id, opinion, by, why, expires, duplicate_of, rule, undoes: None }).await
}

/// Take back what was said
#[utoipa::path(post, path = "/api/v1/incidents/{id}/verdicts/{number}/undo", tag = "verdicts",
    params(
        ("id" = String, Path, description = "As in the alert"),
        ("number" = i64, Path, description = "Of the verdict"),
    ),
    request_body = Undo,
    responses(
        (status = 201, description = "Written down", body = Shown),
        (status = 400, description = "It cannot be said like this", body = Problem,
         content_type = "application/problem+json"),
        (status = 401, description = "A token is needed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The role triage is needed", body = Problem,
         content_type = "application/problem+json"),
        (status = 404, description = "No such verdict", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was taken back already", body = Problem,
         content_type = "application/problem+json"),
        (status = 413, description = "More than 64 KiB", content_type = "text/plain"),
        (status = 415, description = "No application/json", body = Problem,
         content_type = "application/problem+json"),
        (status = 503, description = "The store cannot be used now", body = Problem,
         content_type = "application/problem+json"),
    ))]
pub async fn undo(
    State(site): State<Site>,
    Path((id, number)): Path<(String, String)>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let given: Undo = read(&headers, &body)?;
    Ok((StatusCode::CREATED, Json(Shown::from(take_back(&site, id, &number, &caller, &given.why).await?)))
        .into_response())
}

/// Writes down that what somebody said is taken back.
pub async fn take_back(
    site: &Site,
    id: String,
    number: &str,
    caller: &Caller,
    given: &str,
) -> Result<Verdict, Problem> {
    let number =
        number.parse().map_err(|_| Problem::parameter("number", number, "expected the number of a verdict"))?;
    let (by, why) = (caller.name.to_string(), why(given)?);
    let (opinion, undoes) = (Opinion::Undone, Some(number));
    write(site, Said { incident: id, opinion, by, why, expires: None, duplicate_of: None, rule: None, undoes }).await
}

async fn write(site: &Site, said: Said) -> Result<Verdict, Problem> {
    match site.store.say(said).await? {
        Ok(verdict) => {
            site.verdicts.send_modify(|said| *said += 1);
            let Said { incident, opinion, by, .. } = &verdict.said;
            tracing::info!(id = %incident, by, "{}", opinion.word());
            Ok(verdict)
        }
        Err(refused) => Err(why_not(refused)),
    }
}

fn why_not(refused: Refused) -> Problem {
    match refused {
        Refused::NoIncident => Problem::not_found(),
        Refused::NothingToUndo => Problem::new(StatusCode::NOT_FOUND, "no such verdict on this incident"),
        Refused::AlreadyUndone => Problem::new(StatusCode::CONFLICT, "it was taken back already"),
        Refused::TooMany => Problem::new(StatusCode::CONFLICT, "1000 things were said of it already"),
        Refused::TooManyRules => Problem::new(
            StatusCode::CONFLICT,
            "1000 rules follow from verdicts already; move some to a watch file and take their verdicts back",
        ),
    }
}

/// A page of another site cannot send this type without asking first.
fn read<'b, T: Deserialize<'b>>(headers: &HeaderMap, body: &'b Bytes) -> Result<T, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected application/json"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let said = text::plain(&error.to_string(), 200);
        let name = said.split('`').nth(1).unwrap_or("body").to_owned();
        Problem::unexpected(&name, said)
    })
}

fn why(given: &str) -> Result<String, Problem> {
    let given = given.trim();
    match given.chars().count() {
        1..=WHY => Ok(text::plain(given, WHY)),
        _ => Err(Problem::parameter("why", given, "expected 1 to 1000 characters")),
    }
}

fn expiry(given: &str) -> Result<Timestamp, Problem> {
    let end = Timestamp::parse(given).filter(|end| *end > now());
    end.ok_or_else(|| Problem::parameter("expires", given, "expected a time to come such as 2030-12-31T00:00:00Z"))
}

/// The alert that a rule can be made of: it names all that it is about, and means what the one of `sequence` meant.
async fn judged(site: &Site, id: &str, latest: &str, sequence: Option<u32>) -> Result<Alert, Problem> {
    let conflict = |what: String| Problem::new(StatusCode::CONFLICT, what);
    let read = |json: &str| {
        from_json(json).map_err(|error| {
            conflict(format!("the incident was written by another version, so no rule can follow from it: {error}"))
        })
    };
    let alert = read(latest)?;
    if alert.prefix_count > alert.prefixes.len() {
        return Err(conflict(format!(
            "no rule can follow from it: it has {} prefixes, and an alert names {} of them; write a rule to a watch file",
            alert.prefix_count,
            alert.prefixes.len()
        )));
    }
    let Some(sequence) = sequence.filter(|sequence| *sequence != alert.sequence) else { return Ok(alert) };
    let found = site.store.timeline(id, i64::from(sequence) - 1, 1).await?;
    let seen = found.alerts.first().filter(|sent| sent.number == i64::from(sequence)).ok_or_else(|| {
        Problem::parameter("sequence", &sequence.to_string(), "expected the sequence of one of its alerts")
    })?;
    // Nobody's words, so that only what would be allowed differs.
    let allows = |alert: &Alert| rule(alert, Opinion::FalsePositive, "", "", None);
    if allows(&read(&seen.json)?) != allows(&alert) {
        let newest = alert.sequence;
        return Err(conflict(format!(
            "it is no longer what sequence {sequence} said: look at sequence {newest} first"
        )));
    }
    Ok(alert)
}

/// What was judged, and nothing beyond it. The first suspect is the one that makes it one incident; others may be just on
/// the way.
fn rule(alert: &Alert, opinion: Opinion, by: &str, why: &str, expires: Option<Timestamp>) -> AllowRule {
    // A re-origination is many hijacks at once.
    let gravest = if alert.class == Class::ReoriginationLeak { Class::OriginHijack } else { alert.class };
    let is_judged =
        |class: &Class| class.kind() == alert.class.kind() && *class >= gravest && *class != Class::ReoriginationLeak;
    let mut prefixes = alert.prefixes.clone();
    prefixes.sort_unstable();
    AllowRule {
        owner: by.into(),
        reason: format!("{}: {why} ({})", opinion.word(), alert.id).into(),
        expires,
        classes: Class::ALL.iter().copied().filter(is_judged).collect(),
        prefixes,
        suspects: alert.suspect_ases.first().copied().into_iter().collect(),
        origins: if alert.class.kind() == Kind::Origin { alert.detected_origins.clone() } else { Vec::new() },
        ..AllowRule::default()
    }
}
