//! Lists of a location's encounters, by the day of the visit, asked for in a query or in a body.

use axum::extract::State;
use axum::response::Response;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri, header};
use shared::app::App;
use shared::audit::Access;
use shared::auth::permissions::EncountersRead;
use shared::auth::{Caller, Identified};
use shared::body::Body;
use shared::fields::Wrong;
use shared::list::{Next, Paging};
use shared::params::Params;
use shared::problem::Problem;
use shared::store::{Looked, Order, Page, Partitions, Store, Table};
use shared::values::Date;
use uuid::Uuid;

use crate::encounter::{Encounter, EncounterType, patient_id, provider_id};
use crate::table::{Head, in_location, in_location_of, of_heads};
use crate::{access, fhir};

pub const PARAMETERS: &[&str] =
    &["start_date", "end_date", "patient_id", "provider_id", "encounter_type", "limit", "cursor"];

/// A page ends before its records are more than this as JSON: Lambda takes answers of 6 MB.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Which encounters are asked for.
struct Question {
    start: Option<Date>,
    end: Option<Date>,
    patient_id: Option<String>,
    provider_id: Option<String>,
    encounter_type: Option<EncounterType>,
}

/// `GET /encounters`
pub async fn list(
    State(app): State<App>,
    store: Store,
    Identified(caller): Identified,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let location = access::to_all::<EncountersRead>(&store, &caller, Access::Read).await?;
    let params = Params::parse(uri.query(), PARAMETERS);
    answered(&app, &store, &caller, location, &headers, &uri, params).await
}

/// `POST /encounters/search`: the same question, without a patient in a URL.
pub async fn search(
    State(app): State<App>,
    store: Store,
    Identified(caller): Identified,
    headers: HeaderMap,
    uri: Uri,
    body: Body,
) -> Result<Response, Problem> {
    let location = access::to_all::<EncountersRead>(&store, &caller, Access::Read).await?;
    let node = body.optional()?;
    let params = Params::of_body(&node, PARAMETERS, &["limit"])?;
    answered(&app, &store, &caller, location, &headers, &uri, params).await
}

async fn answered(
    app: &App,
    store: &Store,
    caller: &Caller,
    location: Uuid,
    headers: &HeaderMap,
    uri: &Uri,
    mut params: Params,
) -> Result<Response, Problem> {
    let question = Question::read(&mut params);
    let paging = Paging::read(params, app, uri, &caller.local_identity())?;
    let page = question.answered(store, caller, location, &paging).await?;
    shown(&page, &paging, headers, uri)
}

/// A page in the form that `Accept` asks for.
fn shown(
    page: &Page<Encounter>,
    paging: &Paging,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Response, Problem> {
    if !fhir::is_wanted(headers) {
        return paging.answer(page);
    }
    // A search goes on by its cursor in the body: a fragment is for its reader and is never sent.
    let path = |next: Next| next.path.unwrap_or(format!("{}#cursor={}", fhir::SEARCH, next.cursor));
    let next = paging.next(page)?;
    let link = next.as_ref().and_then(Next::link);
    let next = next.map(path);
    let this = uri.path_and_query().map(PathAndQuery::as_str);
    let mut answer = fhir::answer(&fhir::bundle(&page.items, this, next.as_deref()), None, false)?;
    answer.headers_mut().extend(link.map(|link| (header::LINK, link)));
    Ok(answer)
}

impl Question {
    fn read(params: &mut Params) -> Self {
        let question = Self {
            start: params.optional("start_date", Date::parse),
            end: params.optional("end_date", Date::parse),
            patient_id: params.optional("patient_id", patient_id),
            provider_id: params.optional("provider_id", provider_id),
            encounter_type: params.optional("encounter_type", EncounterType::parse),
        };
        if let (Some(start), Some(end)) = (question.start, question.end)
            && start > end
        {
            params.wrong("end_date", Wrong::invalid("This must not be before start_date."));
        }
        question
    }

    /// The index that leaves out the most.
    fn partitions(&self, location: Uuid) -> Partitions {
        let of = |value: &str| in_location_of(location, value);
        let (index, attribute, value) = match self {
            Self { patient_id: Some(id), .. } => ("patient", "location_patient", of(id)),
            Self { provider_id: Some(id), .. } => ("provider", "location_provider", of(id)),
            Self { encounter_type: Some(t), .. } => ("type", "location_type", of(t.name())),
            _ => ("location", "location", in_location(location)),
        };
        Partitions {
            table: Table::Encounters,
            index: Some(index),
            attribute,
            values: vec![value],
            sort: "by_date",
            order: Order::Descending,
            until: self.start.map(|start| start.to_string()),
        }
    }

    fn fits(&self, head: &Head) -> bool {
        self.patient_id.as_ref().is_none_or(|id| *id == head.patient_id)
            && self.provider_id.as_ref().is_none_or(|id| *id == head.provider_id)
            && self.encounter_type.is_none_or(|of| of == head.encounter_type)
    }

    /// A page of records, each of them entered as read.
    async fn answered(
        &self,
        store: &Store,
        caller: &Caller,
        location: Uuid,
        paging: &Paging,
    ) -> Result<Page<Encounter>, Problem> {
        // Behind everything of the last day.
        let last = self.end.map(|end| format!("{end}#~"));
        let partitions = self.partitions(location);
        let conditions = [self.patient_id.is_some(), self.provider_id.is_some()];
        let selective = conditions.iter().filter(|given| **given).count()
            + usize::from(self.encounter_type.is_some())
            > 1;
        let mut looked = Looked::default();
        let mut page = store
            .search(
                &partitions,
                paging.after.clone().or(last),
                paging.limit,
                selective,
                &mut looked,
                |head: Head| {
                    let fits = self.fits(&head) && !paging.may_have_had(head.moved_at);
                    fits.then_some(head)
                },
            )
            .await?;
        let mut bytes = 0;
        let fitting = page.items.iter().take_while(|head| {
            bytes += head.bytes;
            bytes <= MOST_BYTES
        });
        let fitting = fitting.count().max(1);
        if fitting < page.items.len() {
            page.items.truncate(fitting);
            page.next = page.items.last().map(Head::sort_key);
        }
        let entry = |head: &Head| access::entry_of(caller, Access::Read, head, &[]);
        let entries = page.items.iter().map(entry).collect();
        let (items, ()) =
            futures_util::try_join!(of_heads(store, &page.items), store.enter(entries))?;
        Ok(Page { items, next: page.next })
    }
}
