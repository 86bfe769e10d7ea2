//! A stand-in for the part of Stripe's API that meters, which looks at each request as Stripe documents it, and answers so:
//! <https://docs.stripe.com/api/billing/meter-event/create>, <https://docs.stripe.com/api/billing/meter-event-summary/list>.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// Identifiers are unique for at least so long.
const REMEMBERED: i64 = 24 * 3_600;

/// What happens to the next event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// 429, and it is not taken.
    TooMany,
    /// 500, and it is taken.
    TakenAnd500,
    /// It is taken, and the answer never comes.
    TakenAndSilent,
    /// 400 `archived_meter`.
    Archived,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub event_name: String,
    pub customer: String,
    pub timestamp: i64,
    pub value: i64,
    /// When it came.
    pub at: i64,
}

#[derive(Default)]
pub struct Book {
    pub taken: Vec<(String, Taken)>,
    pub duplicates: usize,
    /// What was wrong with requests.
    pub complaints: Vec<String>,
    pub next: VecDeque<Next>,
    /// Events of version 2, by id.
    pub reports: BTreeMap<String, Value>,
    pub asked: usize,
}

impl Book {
    pub fn now(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(now.as_secs()).unwrap()
    }

    pub fn sum(&self, event_name: &str) -> i64 {
        let of_it = self
            .taken
            .iter()
            .filter(|(_, taken)| taken.event_name == event_name);
        of_it.map(|(_, taken)| taken.value).sum()
    }
}

/// Stops when dropped.
pub struct StripeMeters {
    book: Arc<Mutex<Book>>,
    pub base: String,
    serving: JoinHandle<()>,
}

impl Drop for StripeMeters {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl StripeMeters {
    pub async fn start() -> Self {
        let book = Arc::<Mutex<Book>>::default();
        let router = Router::new()
            .route("/v1/billing/meter_events", post(take))
            .route("/v1/billing/meters", get(list))
            .route("/v1/billing/meters/{id}/event_summaries", get(sums))
            .route("/v2/core/events/{id}", get(event))
            .with_state(Arc::clone(&book));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            book,
            base,
            serving,
        }
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }
}

type Refusal = (StatusCode, Json<Value>);

fn refuse(status: StatusCode, code: &str, message: &str) -> Refusal {
    let mut error = json!({"type": "invalid_request_error", "message": message});
    if !code.is_empty() {
        error["code"] = json!(code);
    }
    (status, Json(json!({"error": error})))
}

/// The parameters of a form or of a query.
fn parameters(encoded: &str) -> Vec<(String, String)> {
    let mut url = Url::parse("http://localhost/").unwrap();
    url.set_query(Some(encoded));
    url.query_pairs().into_owned().collect()
}

/// Takes the parameters that are known out of the list; what is left, or missing, is a complaint.
fn read<const N: usize>(
    encoded: &str,
    known: [&str; N],
    optional: &[&str],
) -> Result<[String; N], Refusal> {
    let mut given = parameters(encoded);
    let mut take = |name: &str| {
        let place = given.iter().position(|(given, _)| given == name)?;
        Some(given.remove(place).1)
    };
    let mut found = [const { String::new() }; N];
    for (place, name) in known.iter().enumerate() {
        match take(name) {
            Some(value) if !value.is_empty() => found[place] = value,
            _ => {
                let message = format!("Missing required param: {name}.");
                return Err(refuse(
                    StatusCode::BAD_REQUEST,
                    "parameter_missing",
                    &message,
                ));
            }
        }
    }
    for name in optional {
        take(name);
    }
    match given.first() {
        Some((name, _)) => {
            let message = format!("Received unknown parameter: {name}");
            Err(refuse(
                StatusCode::BAD_REQUEST,
                "parameter_unknown",
                &message,
            ))
        }
        None => Ok(found),
    }
}

fn integer(name: &str, value: &str) -> Result<i64, Refusal> {
    value.parse().map_err(|_| {
        let message = format!("Invalid integer: {value} ({name})");
        refuse(
            StatusCode::BAD_REQUEST,
            "parameter_invalid_integer",
            &message,
        )
    })
}

async fn take(State(book): State<Arc<Mutex<Book>>>, headers: HeaderMap, body: String) -> Response {
    assert_eq!(headers["authorization"], "Bearer sk_test_of_these_tests");
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    let taken = {
        let mut book = book.lock().unwrap();
        let next = book.next.pop_front();
        match next {
            Some(Next::TooMany) => {
                return refuse(
                    StatusCode::TOO_MANY_REQUESTS,
                    "lock_timeout",
                    "Too many at a time.",
                )
                .into_response();
            }
            Some(Next::Archived) => {
                return refuse(
                    StatusCode::BAD_REQUEST,
                    "archived_meter",
                    "The meter is archived.",
                )
                .into_response();
            }
            _ => {}
        }
        (next, look_at(&mut book, &body))
    };
    match taken {
        (Some(Next::TakenAnd500), Ok(_)) => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "",
            "Something went wrong.",
        )
        .into_response(),
        (Some(Next::TakenAndSilent), Ok(_)) => std::future::pending().await,
        (_, Ok(answer)) => Json(answer).into_response(),
        (_, Err(refusal)) => refusal.into_response(),
    }
}

fn look_at(book: &mut Book, body: &str) -> Result<Value, Refusal> {
    let complain = |book: &mut Book, refusal: Refusal| {
        book.complaints.push(body.to_owned());
        refusal
    };
    let known = [
        "event_name",
        "identifier",
        "timestamp",
        "payload[stripe_customer_id]",
        "payload[value]",
    ];
    let [event_name, identifier, timestamp, customer, value] =
        read(body, known, &["expand[]"]).map_err(|refusal| complain(book, refusal))?;
    let timestamp = integer("timestamp", &timestamp).map_err(|refusal| complain(book, refusal))?;
    let whole = integer("payload[value]", &value).map_err(|refusal| complain(book, refusal))?;
    if event_name.len() > 100
        || identifier.len() > 100
        || value.len() > 15
        || !customer.starts_with("cus_")
    {
        let refusal = refuse(
            StatusCode::BAD_REQUEST,
            "parameter_invalid_string",
            "Too long, or no customer.",
        );
        return Err(complain(book, refusal));
    }
    let now = book.now();
    if timestamp < now - 35 * 86_400 {
        return Err(refuse(
            StatusCode::BAD_REQUEST,
            "timestamp_too_far_in_past",
            "Within the past 35 days.",
        ));
    }
    if timestamp > now + 300 {
        let refusal = refuse(
            StatusCode::BAD_REQUEST,
            "timestamp_in_future",
            "Up to 5 minutes in the future.",
        );
        return Err(complain(book, refusal));
    }
    let is_known =
        |(known, taken): &(String, Taken)| *known == identifier && taken.at > now - REMEMBERED;
    if book.taken.iter().any(is_known) {
        book.duplicates += 1;
        let message = format!("An event already exists with identifier {identifier}.");
        return Err(refuse(StatusCode::BAD_REQUEST, "", &message));
    }
    let answer = json!({
        "object": "billing.meter_event", "created": now, "event_name": event_name, "identifier": identifier, "livemode": false,
        "payload": {"stripe_customer_id": customer, "value": value}, "timestamp": timestamp,
    });
    let taken = Taken {
        event_name,
        customer,
        timestamp,
        value: whole,
        at: now,
    };
    book.taken.push((identifier, taken));
    Ok(answer)
}

async fn list(State(book): State<Arc<Mutex<Book>>>, RawQuery(query): RawQuery) -> Response {
    if let Err(refusal) = read(
        &query.unwrap_or_default(),
        [],
        &[
            "status",
            "limit",
            "starting_after",
            "ending_before",
            "expand[]",
        ],
    ) {
        book.lock().unwrap().complaints.push("meters".to_owned());
        return refusal.into_response();
    }
    let meter = |key: &str| json!({"id": format!("mtr_test_{}", key.replace('_', "")), "object": "billing.meter", "event_name": format!("aias_{key}"), "status": "active"});
    Json(json!({"object": "list", "has_more": false, "url": "/v1/billing/meters", "data": [meter("llm_tokens"), meter("executions")]})).into_response()
}

async fn sums(
    State(book): State<Arc<Mutex<Book>>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let mut book = book.lock().unwrap();
    book.asked += 1;
    let query = query.unwrap_or_default();
    match sums_of(&book, &id, &query) {
        Ok(data) => {
            Json(json!({"object": "list", "has_more": false, "data": data})).into_response()
        }
        Err(refusal) => {
            book.complaints.push(query);
            refusal.into_response()
        }
    }
}

fn sums_of(book: &Book, id: &str, query: &str) -> Result<Vec<Value>, Refusal> {
    let optional = ["ending_before", "starting_after", "expand[]"];
    let known = [
        "customer",
        "start_time",
        "end_time",
        "value_grouping_window",
        "limit",
    ];
    let [customer, start, end, window, limit] = read(query, known, &optional)?;
    let (start, end) = (integer("start_time", &start)?, integer("end_time", &end)?);
    let limit = integer("limit", &limit)?;
    // Aligned with hours, where it is grouped by them.
    if window != "hour" || start % 3_600 != 0 || end % 3_600 != 0 || !(1..=100).contains(&limit) {
        return Err(refuse(
            StatusCode::BAD_REQUEST,
            "parameter_invalid",
            "No such window.",
        ));
    }
    let mut hours: BTreeMap<i64, i64> = BTreeMap::new();
    for (_, taken) in &book.taken {
        let is_of_it = id
            == format!(
                "mtr_test_{}",
                taken.event_name.replace("aias", "").replace('_', "")
            );
        if is_of_it && taken.customer == customer && (start..end).contains(&taken.timestamp) {
            *hours
                .entry(taken.timestamp - taken.timestamp % 3_600)
                .or_default() += taken.value;
        }
    }
    let sums = hours.into_iter().rev().map(|(hour, value)| {
        json!({"id": format!("mtrusg_{hour}"), "object": "billing.meter_event_summary", "aggregated_value": value as f64, "start_time": hour,
               "end_time": hour + 3_600, "livemode": false, "meter": id})
    });
    Ok(sums.collect())
}

async fn event(
    State(book): State<Arc<Mutex<Book>>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    assert!(headers.contains_key("stripe-version"));
    match book.lock().unwrap().reports.get(&id) {
        Some(report) => Json(report.clone()).into_response(),
        None => refuse(StatusCode::NOT_FOUND, "not_found", "No such event.").into_response(),
    }
}
