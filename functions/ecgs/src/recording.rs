//! What is registered of an ECG: the wire form, and the recording that it becomes.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use shared::fields::{Members, Object, Wrong};
use shared::json::Node;
use shared::values::{self, Timestamp, boolean, integer, number, string};
use uuid::Uuid;

pub const MOST_LEADS: usize = 32;
/// Samples of all leads of one recording.
pub const MOST_SAMPLES: u64 = 100_000_000;
/// How long segments may come in, milliseconds.
const MOST_RECEIVING_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

pub const MEMBERS: Members = Members {
    writable: &[
        "leads",
        "recorded_at",
        "sampling_rate_hz",
        "adc_gain",
        "adc_zero",
        "complete",
        "idempotence_key",
    ],
    read_only: &["id", "date", "status", "created_at", "reason"],
};
pub const LEAD: Members =
    Members { writable: &["name", "number_of_samples", "signal"], read_only: &[] };
pub const SEGMENT_LEAD: Members = Members { writable: &["name", "signal"], read_only: &[] };
pub const SEGMENT: Members = Members { writable: &["sequence", "leads"], read_only: &[] };
pub const COMPLETION: Members = Members { writable: &["segments"], read_only: &[] };

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its samples are on their way into the store; nobody sees it yet.
    Uploading,
    Receiving,
    InProgress,
    Done,
    Failed,
    /// Nobody sees it any more; its samples are on their way out.
    Deleted,
}

/// What analysis and plot need to know of the samples.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Scale {
    pub sampling_rate_hz: Option<f64>,
    /// Steps of the converter per mV.
    pub adc_gain: Option<f64>,
    /// The sample that stands for 0 mV.
    pub adc_zero: i32,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Lead {
    pub name: String,
    pub number_of_samples: u64,
}

/// A recording without its samples.
#[derive(Clone, Serialize, Deserialize)]
pub struct Header {
    pub id: Uuid,
    pub user_id: Uuid,
    pub leads: Vec<Lead>,
    pub recorded_at: Option<Timestamp>,
    pub created_at: Timestamp,
    #[serde(flatten)]
    pub scale: Scale,
    pub status: Status,
    /// Why it is `failed`.
    pub reason: Option<String>,
    /// Where the samples that it was registered with lie.
    pub upload: String,
    /// How many segments follow them; None while they may still come.
    pub segments: Option<u32>,
    /// Of its insights, once there are some.
    pub algorithm_version: Option<String>,
    pub insights: Option<Laid>,
    pub version: u64,
}

/// Where something packed lies that doesn't fit into one item.
#[derive(Clone, Serialize, Deserialize)]
pub struct Laid {
    /// A name that nothing else has, so that two who make the same don't mix.
    pub name: String,
    pub pieces: u32,
}

/// The samples of one lead.
pub struct Signal {
    pub name: String,
    pub samples: Vec<i32>,
}

/// What a POST says, trusted.
pub struct NewRecording {
    pub leads: Vec<Signal>,
    pub recorded_at: Option<Timestamp>,
    pub scale: Scale,
    pub complete: bool,
    pub idempotence_key: Option<String>,
}

pub struct NewSegment {
    pub sequence: u32,
    pub leads: Vec<Signal>,
}

/// What is answered of a recording.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Shown<'a> {
    pub id: Uuid,
    pub date: Timestamp,
    pub status: Status,
    pub leads: Vec<ShownLead<'a>>,
    pub recorded_at: Option<Timestamp>,
    #[serde(flatten)]
    pub scale: &'a Scale,
    pub created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownLead<'a> {
    pub name: &'a str,
    pub number_of_samples: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<Vec<i32>>,
}

fn name(text: &str) -> Result<String, Wrong> {
    values::name::<16>(text, b"+_-", "A name is made of letters, digits, +, _ and -.")
}

/// A positive number that a store can keep.
fn positive(most: f64) -> impl Fn(&Node) -> Result<f64, Wrong> {
    move |node| {
        number(0.0..=most)(node)
            .and_then(|n| if n > 0.0 { Ok(n) } else { Err(Wrong::OUT_OF_RANGE) })
    }
}

fn sample(node: &Node) -> Result<i32, Wrong> {
    let sample = integer(i64::from(i32::MIN)..=i64::from(i32::MAX))(node)?;
    i32::try_from(sample).map_err(|_| Wrong::OUT_OF_RANGE)
}

/// More than any body holds.
const MOST_OF_A_BODY: usize = 10_000_000;

/// `known`: of a recording that is there already, to which no lead is added.
fn leads(
    object: &mut Object,
    members: Members,
    may_be_empty: bool,
    known: Option<&[Lead]>,
) -> Option<Vec<Signal>> {
    let names = std::cell::RefCell::new(HashSet::new());
    if !object.has("leads") {
        object.wrong("leads", Wrong::REQUIRED);
    }
    let leads = object.objects("leads", MOST_LEADS, members, |lead| {
        let name = lead.required("name", string(name));
        if let Some(name) = &name
            && !names.borrow_mut().insert(name.clone())
        {
            lead.wrong("name", Wrong::invalid("Another lead has this name."));
        }
        if let (Some(name), Some(known)) = (&name, known)
            && known.iter().all(|known| known.name != *name)
        {
            lead.wrong("name", Wrong::invalid("The recording has no such lead."));
        }
        let samples = lead.list("signal", MOST_OF_A_BODY, sample);
        match &samples {
            None if !lead.has("signal") => lead.wrong("signal", Wrong::REQUIRED),
            Some(samples) if samples.is_empty() && !may_be_empty => {
                lead.wrong("signal", Wrong::EMPTY);
            }
            _ => {}
        }
        let count = match known {
            None => lead.optional("number_of_samples", integer(0..=i64::MAX)),
            // A segment's lead doesn't say it.
            Some(_) => None,
        };
        if let (Some(count), Some(samples)) = (count, &samples)
            && i64::try_from(samples.len()) != Ok(count)
        {
            let other = "This must be the number of the signal's samples.";
            lead.wrong("number_of_samples", Wrong::invalid(other));
        }
        Some(Signal { name: name?, samples: samples? })
    });
    if leads.as_ref().is_some_and(Vec::is_empty) {
        object.wrong("leads", Wrong::EMPTY);
    }
    leads
}

impl NewRecording {
    /// `header`: the key that the header says.
    pub fn read(object: &mut Object, header: Option<&str>) -> Option<Self> {
        let complete = object.optional("complete", boolean).unwrap_or(true);
        let leads = leads(object, LEAD, !complete, None);
        let recorded_at = object.optional("recorded_at", string(Timestamp::parse));
        let rate = |node: &Node| number(1.0..=100_000.0)(node);
        let sampling_rate_hz = object.optional("sampling_rate_hz", rate);
        let adc_gain = object.optional("adc_gain", positive(1e100));
        let adc_zero = object.optional("adc_zero", sample).unwrap_or(0);
        let idempotence_key = object.idempotence_key(header);
        let scale = Scale { sampling_rate_hz, adc_gain, adc_zero };
        Some(Self { leads: leads?, recorded_at, scale, complete, idempotence_key })
    }
}

impl NewSegment {
    /// A segment of a recording with these leads.
    pub fn read(object: &mut Object, known: &[Lead]) -> Option<Self> {
        let sequence = object.required("sequence", integer(1..=10_000));
        let leads = leads(object, SEGMENT_LEAD, false, Some(known));
        Some(Self { sequence: u32::try_from(sequence?).ok()?, leads: leads? })
    }
}

impl Header {
    pub fn new(user_id: Uuid, new: &NewRecording, upload: &str, now: Timestamp) -> Self {
        let lead = |lead: &Signal| Lead {
            name: lead.name.clone(),
            number_of_samples: lead.samples.len() as u64,
        };
        Self {
            id: Uuid::now_v7(),
            user_id,
            leads: new.leads.iter().map(lead).collect(),
            recorded_at: new.recorded_at,
            created_at: now,
            scale: new.scale.clone(),
            status: if new.complete { Status::InProgress } else { Status::Receiving },
            reason: None,
            upload: upload.to_owned(),
            segments: new.complete.then_some(0),
            algorithm_version: None,
            insights: None,
            version: 1,
        }
    }

    /// When it was recorded, as far as that is known.
    pub fn date(&self) -> Timestamp {
        self.recorded_at.unwrap_or(self.created_at)
    }

    pub fn is_visible(&self) -> bool {
        ![Status::Uploading, Status::Deleted].contains(&self.status)
    }

    /// As it is at a time: what has been receiving for too long has failed, whether or not that
    /// was noted.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        let overdue = now.ms() - self.created_at.ms() > MOST_RECEIVING_MS;
        if self.status == Status::Receiving && overdue {
            self.status = Status::Failed;
            self.reason = Some("The recording was not completed within 7 days.".to_owned());
        }
        self
    }

    pub fn number_of_samples(&self) -> u64 {
        self.leads.iter().map(|lead| lead.number_of_samples).sum()
    }

    pub fn lead(&self, name: &str) -> Option<usize> {
        self.leads.iter().position(|lead| lead.name == name)
    }

    pub fn shown(&self) -> Shown<'_> {
        Shown {
            id: self.id,
            date: self.date(),
            status: self.status,
            leads: self
                .leads
                .iter()
                .map(|lead| ShownLead {
                    name: &lead.name,
                    number_of_samples: lead.number_of_samples,
                    signal: None,
                })
                .collect(),
            recorded_at: self.recorded_at,
            scale: &self.scale,
            created_at: self.created_at,
            reason: self.reason.as_deref(),
        }
    }
}
