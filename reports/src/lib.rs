//! Records of conformance and measurements, and what is made of them.
//!
//! [`record`] is the schema, [`store`] reads and writes it, [`merge`] puts parts together, [`ratio`]
//! sets measurements side by side, [`gaps`] what was not measured, [`gate`] judges what has changed, [`markdown`] tells it to a CI job,
//! and `html` (feature `render`) makes a page of a record. [`kill_table`] says which rules catch which faults.

#![forbid(unsafe_code)]

pub mod gaps;
pub mod gate;
#[cfg(feature = "render")]
pub mod html;
pub mod kill_table;
pub mod machine;
pub mod markdown;
pub mod merge;
#[cfg(feature = "render")]
pub mod plot;
pub mod ratio;
pub mod record;
pub mod store;
