//! The analysis of electrocardiograms: beats, rhythm, measures, quality; a lossless coding of
//! samples; plots. Nothing here knows of requests or storage, and nothing that holds a patient's
//! data can be printed.

pub mod insights;
pub mod measures;
pub mod beats;
pub mod quality;
pub mod rhythm;
pub mod variability;
pub mod codec;
pub mod plot;
pub mod synthetic;

mod statistics;
