//! What can be seen of a recording: samples, insights, a picture.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use serde::Serialize;
use shared::answer::Answer;
use shared::audit::Access;
use shared::auth::Identified;
use shared::auth::permissions::EcgsRead;
use shared::fields::Wrong;
use shared::http::{Ids, NoParams};
use shared::params::Params;
use shared::problem::Problem;
use shared::store::Store;
use shared::values::{plain, whole};
use uuid::Uuid;

use crate::analysis::insights::ALGORITHM_VERSION;
use crate::analysis::plot::{self, Plot};
use crate::recording::{Header, Status};
use crate::routes::MOST_SHOWN;
use crate::samples::Layout;
use crate::{access, report, table};

/// A picture in a page of its own runs nothing and loads nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// Samples in the window of a picture.
const MOST_PLOTTED: u64 = 16_000_000;

/// Part of one lead's samples.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Excerpt<'a> {
    ecg_id: Uuid,
    lead: &'a str,
    number_of_samples: u64,
    start_sample: u64,
    sample_count: usize,
    signal: Vec<i32>,
}

/// Of a recording that has no insights.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Standing<'a> {
    ecg_id: Uuid,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// A parameter that names one of the recording's leads: its place among them.
fn lead(params: &mut Params, header: &Header) -> Option<usize> {
    let place = |name: &str| header.lead(name);
    let none = Wrong::invalid("The recording has no such lead.");
    params.optional("lead", |name| place(name).ok_or(none))
}

/// `GET /ecgs/{id}/signal`
pub async fn signal(
    store: Store,
    Identified(caller): Identified,
    Ids(id): Ids<Uuid>,
    uri: Uri,
) -> Result<Answer, Problem> {
    let header = access::to_one::<EcgsRead>(&store, &caller, Access::Read, id).await?;
    let mut params = Params::parse(uri.query(), &["lead", "start_sample", "sample_count"]);
    let given = params.has("lead");
    let lead = lead(&mut params, &header);
    if !given && header.leads.len() > 1 {
        params.wrong("lead", Wrong::REQUIRED);
    }
    let whole = |most: u64| whole(0..=most, "This must be a whole number.");
    let start = params.optional("start_sample", whole(u64::MAX / 2)).unwrap_or(0);
    let count = params.optional("sample_count", whole(MOST_SHOWN)).unwrap_or(MOST_SHOWN);
    params.finish()?;
    let lead = lead.unwrap_or(0);
    let of = header.leads.get(lead).ok_or(Problem::NOT_FOUND)?;
    let start_of = start.min(of.number_of_samples);
    let end = (start_of + count).min(of.number_of_samples);
    let read =
        async { Layout::read(&store, &header, lead).await?.samples(&store, start_of, end).await };
    let entered = store.enter_reads(&caller, [table::subject(id)]);
    let read = futures_util::try_join!(entered, read);
    let read = access::unless_gone::<EcgsRead, _>(&store, &caller, Access::Read, &header, read);
    let ((), signal) = read.await?;
    Answer::ok(&Excerpt {
        ecg_id: id,
        lead: &of.name,
        number_of_samples: of.number_of_samples,
        start_sample: start,
        sample_count: signal.len(),
        signal,
    })
}

/// `GET /ecgs/{id}/insights`
pub async fn insights(
    store: Store,
    Identified(caller): Identified,
    Ids(id): Ids<Uuid>,
    _: NoParams,
) -> Result<Response, Problem> {
    let header = access::read::<EcgsRead>(&store, &caller, id).await?;
    let known = header.algorithm_version.as_deref();
    let mut status = header.status;
    if status == Status::Done && known == Some(ALGORITHM_VERSION) && header.insights.is_some() {
        let read = report::read(&store, &header).await;
        let read = access::unless_gone::<EcgsRead, _>(&store, &caller, Access::Read, &header, read);
        return Ok(([(header::CONTENT_TYPE, "application/json")], read.await?).into_response());
    }
    if status == Status::Done {
        // Of an older version: it is analysed again.
        table::note(&store, &Header { status: Status::InProgress, ..header.clone() }).await?;
        status = Status::InProgress;
    }
    let standing = Standing { ecg_id: id, status, reason: header.reason.as_deref() };
    let mut response = Answer::ok(&standing)?.into_response();
    if status != Status::Failed {
        *response.status_mut() = StatusCode::ACCEPTED;
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(response)
}

/// `GET /ecgs/{id}/plot.svg`
pub async fn plot(
    store: Store,
    Identified(caller): Identified,
    Ids(id): Ids<Uuid>,
    uri: Uri,
) -> Result<Response, Problem> {
    let recording = access::to_one::<EcgsRead>(&store, &caller, Access::Read, id).await?;
    let mut params = Params::parse(uri.query(), &["start_s", "duration_s", "lead"]);
    let seconds = |range| plain(range, "This must be a number of seconds, such as 2.5.");
    let start_s = params.optional("start_s", seconds(0.0..=1e8)).unwrap_or(0.0);
    let duration_s = params.optional("duration_s", seconds(1e-3..=3_600.0)).unwrap_or(10.0);
    let lead = lead(&mut params, &recording);
    let Some(rate_hz) = recording.scale.sampling_rate_hz else {
        params.wrong("duration_s", Wrong::invalid("The recording has no sampling rate."));
        params.finish()?;
        return Err(Problem::bug("a wrong parameter was let pass"));
    };
    let leads = lead.map_or(0..recording.leads.len(), |lead| lead..lead + 1);
    let (first, last) = (sample(start_s * rate_hz), sample((start_s + duration_s) * rate_hz));
    let window = |lead: usize| {
        let count = recording.leads.get(lead).map_or(0, |lead| lead.number_of_samples);
        (first.min(count), last.min(count))
    };
    let plotted: u64 = leads.clone().map(window).map(|(from, to)| to - from).sum();
    if plotted > MOST_PLOTTED {
        let more = "The window has more than 16,000,000 samples.";
        params.wrong("duration_s", Wrong::new("out_of_range", more));
    }
    params.finish()?;
    let samples = async {
        let mut samples = Vec::new();
        for lead in leads.clone() {
            let (from, to) = window(lead);
            let layout = Layout::read(&store, &recording, lead).await?;
            samples.push(layout.samples(&store, from, to).await?);
        }
        Ok(samples)
    };
    let beats = async {
        match recording.status {
            Status::Done if recording.insights.is_some() => report::beats(&store, &recording).await,
            _ => Ok(Vec::new()),
        }
    };
    let entered = store.enter_reads(&caller, [table::subject(id)]);
    let read = futures_util::try_join!(entered, samples, beats);
    let read = access::unless_gone::<EcgsRead, _>(&store, &caller, Access::Read, &recording, read);
    let ((), samples, beats) = read.await?;
    let beats: Vec<usize> = beats
        .into_iter()
        .filter(|beat| (first..last).contains(beat))
        .filter_map(|beat| usize::try_from(beat - first).ok())
        .collect();
    let drawn: Vec<plot::Lead> = leads
        .zip(&samples)
        .filter_map(|(lead, samples)| {
            Some(plot::Lead { name: &recording.leads.get(lead)?.name, samples })
        })
        .collect();
    let picture = plot::svg(&Plot {
        start_s,
        duration_s,
        rate_hz,
        adc_gain: recording.scale.adc_gain,
        leads: &drawn,
        beats: &beats,
    });
    let headers =
        [(header::CONTENT_TYPE, "image/svg+xml"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    Ok((headers, picture).into_response())
}

/// The sample at a time, in samples: never less than none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float's cast saturates"
)]
fn sample(time: f64) -> u64 {
    time.round() as u64
}
